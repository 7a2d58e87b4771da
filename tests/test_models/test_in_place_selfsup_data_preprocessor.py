"""Views normalised in place have the values of the host's."""

import pytest
import torch

from mmcvgssl.registry import MODELS

OPTIONS = {'mean': [123.0, 116.0, 103.0], 'std': [58.0, 57.0, 56.0]}


def images(dtype: torch.dtype) -> torch.Tensor:
    """Make a batch [2, 3, 5, 7] of values in [0, 255]."""
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 5, 7), generator=random).to(dtype)


def both(inputs, **options) -> list:
    """Return what the host and ours make of the same inputs."""
    return [
        MODELS.build({'type': kind, **options})(
            {'inputs': inputs, 'data_samples': ['kept']}
        )
        for kind in (
            'mmpretrain.SelfSupDataPreprocessor',
            'mmcvgssl.InPlaceSelfSupDataPreprocessor',
        )
    ]


@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
@pytest.mark.parametrize('to_rgb', [False, True])
@pytest.mark.parametrize('options', [{}, OPTIONS])
def test_values_are_the_hosts(dtype, to_rgb, options):
    views = [images(dtype), images(dtype) // 2]
    kept = [view.clone() for view in views]
    host, ours = both(views, to_rgb=to_rgb, **options)
    assert ours['data_samples'] == ['kept']
    for expected, got in zip(host['inputs'], ours['inputs'], strict=True):
        assert torch.equal(expected, got)
    for view, before in zip(views, kept, strict=True):
        assert torch.equal(view, before)


def test_one_batch_without_views():
    host, ours = both(images(torch.uint8), to_rgb=True, **OPTIONS)
    assert ours['inputs'].shape == (2, 3, 5, 7)
    assert torch.equal(host['inputs'], ours['inputs'])


@pytest.mark.parametrize(
    'layout',
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x[:, :, ::2, 1:],
        lambda x: x[:, :1].expand(-1, 3, -1, -1),
    ],
)
def test_bytes_that_do_not_lie_in_order(layout):
    host, ours = both([layout(images(torch.uint8))], to_rgb=True, **OPTIONS)
    assert torch.equal(host['inputs'][0], ours['inputs'][0])


def test_every_byte():
    levels = torch.arange(256, dtype=torch.uint8)
    levels = levels.view(1, 1, 16, 16).repeat(1, 3, 1, 1)
    host, ours = both([levels], to_rgb=True, **OPTIONS)
    assert torch.equal(host['inputs'][0], ours['inputs'][0])
