"""``MaskedConv2d`` is a convolution at the chosen pixels, zero elsewhere."""

import pytest
import torch
from mmcv.ops import MaskedConv2d


@pytest.mark.parametrize(
    ('kernel', 'padding'), [(3, 1), (1, 0), ((3, 5), (1, 2))]
)
def test_masked_conv(ext, device, kernel, padding):
    conv = MaskedConv2d(2, 3, kernel, padding=padding).to(device)
    x = torch.randn(1, 2, 5, 6, device=device)
    mask = torch.rand(1, 5, 6, device=device) > 0.5
    mask[0, 0, 0] = mask[0, -1, -1] = True
    want = torch.nn.functional.conv2d(
        x, conv.weight, conv.bias, padding=padding
    )
    got = conv(x, mask.float())
    torch.testing.assert_close(got, want * mask, atol=1e-5, rtol=1e-5)


def test_masked_im2col_of_a_corner(ext, device):
    """The window of the first pixel, whose padding is zero."""
    x = torch.arange(1.0, 10.0, device=device).view(1, 1, 3, 3)
    col = torch.full((9, 1), -1.0, device=device)
    zero = torch.zeros(1, dtype=torch.long, device=device)
    ext.masked_im2col_forward(x, zero, zero, col, 3, 3, 1, 1)
    assert col.flatten().tolist() == [0, 0, 0, 0, 1, 2, 0, 4, 5]
