"""Nearest patches in 8 bits, beside loops over pairs in double precision."""

import pytest
import torch
from torch import Tensor

from mmcvgssl.models.anomaly import quantised_images
from mmcvgssl.models.anomaly.quantised_images import QuantisedImages

PATHS = ('8 bits', 'float32')


@pytest.fixture(params=PATHS)
def path(request, monkeypatch) -> str:
    """Compute in 8 bits, which every processor can, or in float32."""
    eight = request.param == '8 bits'
    monkeypatch.setattr(quantised_images, '_eight_bits_pay', lambda _: eight)
    return request.param


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


def in_steps(patches: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, float]:
    """Bring both to whole steps from the memory's mean, in float64."""
    centre = memory.float().mean((0, 1))
    step = float((memory.float() - centre).abs().amax()) / 127 or 1.0
    query = (patches.to(memory.dtype).float() - centre) / step
    return query.round(), ((memory.float() - centre) / step).round(), step


@pytest.mark.parametrize('half', [True, False])
@pytest.mark.parametrize(
    ('n', 'images', 'many', 'width'),
    [(1, 1, 1, 1), (9, 4, 9, 5), (7, 3, 20, 40), (30, 2, 1, 8), (3, 2, 5, 64)],
)
def test_distances_are_those_between_whole_steps(
    path, n, images, many, width, half
):
    # one patch lies far outside of what memory has
    patches = unit(n, width, seed=0)
    patches[-1] *= 3
    memory = unit(images, many, width, seed=1)
    memory = memory.half() if half else memory
    found = QuantisedImages(memory).nearest(patches)
    query, known, step = in_steps(patches, memory)
    wanted = slow(query, known) * step**2
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize('width', [24, 112, 300])
def test_they_are_close_to_exact_distances(path, width):
    patches, memory = unit(20, width, seed=0), unit(4, 30, width, seed=1)
    images = QuantisedImages(memory.half())
    found = images.nearest(patches).sqrt().double()
    wanted = slow(patches, memory).sqrt()
    assert float((found - wanted).abs().max()) < 1.5 * images.step
    assert float((found / wanted - 1).abs().mean()) < 3e-3


def test_copies_are_no_distance_away(path):
    patches = unit(40, 24, seed=2)
    memory = torch.stack([patches.flip(0), unit(40, 24, seed=3)]).half()
    found = QuantisedImages(memory).nearest(patches)
    assert not found[0].any()
    assert float(found[1].min()) > 0


def test_what_is_no_number_stays_none(path):
    patches, memory = unit(5, 16, seed=8), unit(3, 20, 16, seed=9)
    wanted = QuantisedImages(memory).nearest(patches)
    patches[2, 3] = float('nan')
    found = QuantisedImages(memory).nearest(patches)
    assert bool(found[:, 2].isnan().all())
    assert torch.equal(found[:, [0, 1, 3, 4]], wanted[:, [0, 1, 3, 4]])
    memory[1, 4, 5] = float('nan')
    assert bool(QuantisedImages(memory).nearest(patches).isnan().all())


def test_all_alike_are_no_distance_apart(path):
    memory = torch.full((3, 4, 5), 0.25)
    assert not QuantisedImages(memory).nearest(memory[0]).any()


@pytest.mark.parametrize(
    ('block', 'rows', 'columns'), [(1, 1, 8), (50, 4, 8), (200, 64, 16)]
)
def test_the_table_is_bounded_and_blocks_do_not_matter(
    path, monkeypatch, block, rows, columns
):
    patches, memory = unit(23, 6, seed=2), unit(5, 37, 6, seed=3)
    whole = QuantisedImages(memory).nearest(patches)
    sizes = []
    differences = quantised_images._differences

    def watched(*args):
        sizes.append(differences(*args).numel())
        return differences(*args)

    monkeypatch.setattr(quantised_images, '_differences', watched)
    monkeypatch.setattr(quantised_images, '_CPU_BLOCK', block)
    monkeypatch.setattr(quantised_images, '_CPU_ROWS', rows)
    monkeypatch.setattr(quantised_images, '_COLUMNS', columns)
    parts = QuantisedImages(memory).nearest(patches)
    assert max(sizes) <= max(block, columns)
    assert sum(sizes) >= 23 * 5 * 37
    assert torch.equal(parts, whole)


def test_both_paths_agree_to_the_last_digit(monkeypatch):
    patches, memory = unit(300, 96, seed=4), unit(6, 150, 96, seed=5)
    patches[7] *= 5
    images = QuantisedImages(memory)
    found = []
    for eight in (True, False):
        monkeypatch.setattr(
            quantised_images, '_eight_bits_pay', lambda _, e=eight: e
        )
        found.append(images.nearest(patches))
    assert torch.equal(*found)


@pytest.mark.parametrize('error', [AttributeError, RuntimeError])
def test_a_library_that_cannot_leaves_it_to_float32(monkeypatch, error):
    def refuse(*args, **kwargs):
        raise error('not here')

    patches, memory = unit(40, 16, seed=6), unit(3, 20, 16, seed=7)
    images = QuantisedImages(memory)
    wanted = images.nearest(patches)
    monkeypatch.setattr(torch, '_int_mm', refuse)
    quantised_images._multiplies.cache_clear()
    try:
        assert torch.equal(images.nearest(patches), wanted)
    finally:
        quantised_images._multiplies.cache_clear()
