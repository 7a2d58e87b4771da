"""Images are resized alike by the filter and by its tables."""

import pytest
import torch

from mmcvgssl.models.layers import resize_images, resizing_by_tables


@pytest.mark.parametrize('mode', ['bilinear', 'bicubic'])
@pytest.mark.parametrize('size', [(16, 16), (64, 20), (50, 90), (37, 53)])
def test_tables_resize_as_the_filter(mode, size):
    images = torch.rand(2, 3, 37, 53)
    expected = resize_images(images, size, mode)
    with resizing_by_tables():
        found = resize_images(images, size, mode)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert torch.equal(resize_images(images, size, mode), expected)
