"""Nearest patches, beside loops over pairs in double precision."""

import pytest
import torch
from torch import Tensor

from mmcvgssl.models.anomaly import neighbours
from mmcvgssl.models.anomaly.neighbours import nearest_in_each

# of squared distances between vectors of length 1: some float32 steps of 1
STEP = 2e-6


def unit(*shape: int, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    values = torch.randn(*shape, generator=random)
    return torch.nn.functional.normalize(values, dim=-1)


def slow(patches: Tensor, memory: Tensor) -> Tensor:
    """Go through all pairs."""
    found = torch.empty(len(memory), len(patches), dtype=torch.float64)
    for i, image in enumerate(memory.double()):
        for j, patch in enumerate(patches.double()):
            found[i, j] = min(float((patch - p).square().sum()) for p in image)
    return found


@pytest.mark.parametrize('onednn', [True, False])
@pytest.mark.parametrize('half', [True, False])
@pytest.mark.parametrize(
    ('n', 'images', 'many', 'width'),
    [(1, 1, 1, 1), (9, 4, 9, 5), (7, 3, 20, 40), (30, 2, 1, 8)],
)
def test_nearest_in_each_image(
    monkeypatch, n, images, many, width, half, onednn
):
    if not onednn:
        monkeypatch.setattr(neighbours, '_onednn_multiplies', lambda _: False)
    patches = unit(n, width, seed=0)
    memory = unit(images, many, width, seed=1)
    if many > 2:
        memory[0, 2] = patches[0]  # a copy is at no distance
    memory = memory.half() if half else memory
    ours = nearest_in_each(patches, memory)
    assert ours.dtype == torch.float32
    assert float(ours.min()) >= 0
    torch.testing.assert_close(
        ours.double(), slow(patches, memory), atol=STEP, rtol=1e-5
    )


@pytest.mark.parametrize(('block', 'rows'), [(1, 1), (50, 4), (200, 64)])
def test_the_table_is_bounded_and_blocks_do_not_matter(
    monkeypatch, block, rows
):
    patches, memory = unit(23, 6, seed=2), unit(5, 17, 6, seed=3)
    whole = nearest_in_each(patches, memory)
    sizes = []
    products = neighbours.products

    def watched(*args):
        sizes.append(products(*args).numel())
        return products(*args)

    monkeypatch.setattr(neighbours, 'products', watched)
    monkeypatch.setattr(neighbours, '_CPU_BLOCK', block)
    monkeypatch.setattr(neighbours, '_CPU_ROWS', rows)
    parts = nearest_in_each(patches, memory)
    assert max(sizes) <= max(block, 17)  # or one patch and one image
    assert sum(sizes) == 23 * 5 * 17
    torch.testing.assert_close(parts, whole, atol=STEP, rtol=1e-5)
