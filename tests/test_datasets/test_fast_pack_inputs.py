"""The fast packing gives what mmpretrain's gives."""

import numpy as np
import pytest
import torch
from mmpretrain.datasets import PackInputs

from mmcvgssl.datasets.transforms import FastPackInputs


def image(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


@pytest.mark.parametrize(
    'inputs',
    [
        image(7, 5, 3),
        image(1, 1, 3),
        image(9, 8, 3)[::2, 1:6],
        image(7, 5, 3)[..., ::-1],
        image(3, 7, 5).transpose(1, 2, 0),
        image(7, 5),
        image(7, 5, 1),
        image(7, 5, 4),
        image(7, 5, 3, dtype=np.float32),
        image(2, 7, 5, 3),
        [image(7, 5, 3), image(4, 4, 3)],
    ],
)
def test_packs_as_mmpretrain_does(inputs):
    options = dict(algorithm_keys=('view_labels',), meta_keys=('img_path',))
    results = dict(
        img=inputs, view_labels=np.arange(2), img_path='a.png', gt_label=1
    )
    before = [part.copy() for part in inputs]
    ours = FastPackInputs(**options)(dict(results))
    theirs = PackInputs(**options)(dict(results))
    one, two = (
        packed['inputs'] if isinstance(inputs, list) else [packed['inputs']]
        for packed in (ours, theirs)
    )
    assert len(one) == len(two)
    for own, base in zip(one, two, strict=True):
        assert own.dtype == base.dtype
        assert own.is_contiguous()
        assert torch.equal(own, base)
    sample, base = ours['data_samples'], theirs['data_samples']
    assert sample.img_path == base.img_path
    assert torch.equal(sample.gt_label, base.gt_label)
    assert np.array_equal(sample.view_labels, base.view_labels)
    for part, old in zip(inputs, before, strict=True):
        assert np.array_equal(part, old)


def test_the_tensor_is_not_the_image():
    img = image(4, 4, 3)
    FastPackInputs.format_input(img).zero_()
    assert img.any()


def test_refuses_what_mmpretrain_refuses():
    with pytest.raises(TypeError, match='Unsupported input'):
        FastPackInputs()({'img': 'a.png'})
