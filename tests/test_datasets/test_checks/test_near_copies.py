"""Copies: hashes, digests and correlations."""

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mmcvgssl.datasets.checks.image_facts import (
    TURNS,
    ImageFacts,
    read_facts,
)
from mmcvgssl.datasets.checks.near_copies import groups_of, near_copies
from mmcvgssl.datasets.checks.near_hashes import (
    MOST,
    differing_bits,
    near_hashes,
)
from mmcvgssl.datasets.reading.orientation import turn
from tests.surfaces import surface


@pytest.fixture
def facts_of(tmp_path):
    """Write pictures, and read what is known of them."""

    def read(pictures, end='.png', options=()):
        found = []
        for i, picture in enumerate(pictures):
            path = tmp_path / f'{len(list(tmp_path.iterdir()))}-{i}{end}'
            assert cv2.imwrite(str(path), picture, list(options))
            found.append(read_facts(str(path)))
        return found

    return read


@pytest.mark.parametrize('alike', [False, True])
def test_near_hashes_are_those_of_all_pairs(alike, monkeypatch):
    monkeypatch.setattr('mmcvgssl.datasets.checks.near_hashes._BLOCK', 37)
    random = np.random.RandomState(0)
    hashes = random.randint(0, 2**63, 60).astype(np.uint64) * np.uint64(2)
    if alike:  # a few bits of one hash are flipped
        for i in range(1, 60):
            for bit in random.choice(64, i % 12, replace=False):
                hashes[i] = hashes[i % 3] ^ np.uint64(1 << int(bit))
    found = [
        pair
        for rows, others in near_hashes(hashes[:40], hashes)
        for pair in zip(rows.tolist(), others.tolist(), strict=True)
    ]
    expected = {
        (i, j)
        for i in range(40)
        for j in range(60)
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= MOST
    }
    assert sorted(found) == sorted(expected)
    assert len(expected) >= 40 + 60 * alike


def test_hashes_at_the_limit_are_found():
    first = np.array([0], np.uint64)
    for bits in (MOST, MOST + 1):
        # spread over all parts
        other = sum(1 << (9 * i) for i in range(bits)) % 2**64
        found = [*near_hashes(first, np.array([other], np.uint64))]
        assert bool(found) == (bits == MOST)
    assert differing_bits(first, ~first).tolist() == [64]


@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'float32'])
@pytest.mark.parametrize('shape', [(56, 40), (41, 41)])
def test_turned_pictures_have_a_digest_in_common(facts_of, dtype, shape):
    picture = surface(1, 56)[: shape[0], : shape[1]].astype(dtype)
    end = '.tiff' if dtype == 'float32' else '.png'
    turned = [np.ascontiguousarray(turn(picture, k)) for k in TURNS]
    found = facts_of(turned, end)
    assert {f.error for f in found} == {None}
    assert len({f.turned for f in found}) == 1
    assert len({f.pixels for f in found}) == 8
    other = facts_of([picture[::-1, ::-1] // 2], end)[0]
    assert other.turned != found[0].turned


def test_symmetrical_pictures_have_it_too(facts_of):
    corner = surface(2, 20)
    picture = np.vstack([corner, corner[::-1]])
    picture[3, 4] ^= 1
    found = facts_of([picture, picture[::-1], picture[:, ::-1]])
    assert len({f.turned for f in found}) == 1
    assert len({f.pixels for f in found}) == 3


def test_grey_in_three_channels_has_the_same_pixels(facts_of):
    grey = surface(3)
    one, other, colour = facts_of(
        [grey, cv2.merge([grey] * 3), cv2.merge([grey, grey, grey // 2])]
    )
    assert one.pixels == other.pixels != colour.pixels
    assert [f.colours for f in (one, other, colour)] == [
        *('grey', 'colour of equal channels', 'colour')
    ]


def changed(name: str, picture: np.ndarray) -> np.ndarray:
    """Change a picture as programs and cameras do."""
    wide = picture.astype(np.float32)
    if name == 'smaller':
        half = [n // 2 for n in picture.shape[::-1]]
        return cv2.resize(picture, half, interpolation=cv2.INTER_AREA)
    if name == 'larger':
        twice = [n * 2 for n in picture.shape[::-1]]
        return cv2.resize(picture, twice, interpolation=cv2.INTER_CUBIC)
    if name == 'darker':
        return np.rint(wide * 0.6).astype(np.uint8)
    if name == 'noise':
        noise = np.random.RandomState(0).normal(0, 3, picture.shape)
        return np.clip(wide + noise, 0, 255).astype(np.uint8)
    if name == 'deep':
        return picture.astype(np.uint16) * 16
    if name.startswith('turned'):
        return np.ascontiguousarray(turn(picture, int(name[6:])))
    return picture


@pytest.mark.parametrize('count', [2, 14])
@pytest.mark.parametrize(
    ('name', 'end', 'options'),
    [
        ('as it is', '.jpg', (cv2.IMWRITE_JPEG_QUALITY, 60)),
        ('smaller', '.png', ()),
        ('larger', '.png', ()),
        ('darker', '.png', ()),
        ('noise', '.png', ()),
        ('deep', '.png', ()),
        *((f'turned{k}', '.jpg', (cv2.IMWRITE_JPEG_QUALITY, 80))
          for k in range(2, 9)),
    ],
)  # fmt: skip
def test_changed_pictures_are_near_copies(facts_of, name, end, options, count):
    pictures = [surface(i, 96) for i in range(count)]
    facts = facts_of(pictures)
    facts += facts_of([changed(name, pictures[1])], end, options)
    found = near_copies(facts)
    assert [{pair.first, pair.other} for pair in found] == [{1, count}]
    orientation = int(name[6:]) if name.startswith('turned') else 1
    # a turn by 90 degrees is one by 270 the other way round
    expected = {orientation, {6: 8, 8: 6}.get(orientation, orientation)}
    assert found[0].orientation in expected
    assert found[0].similarity > 0.95
    assert near_copies(facts, found[0].similarity + 1e-3) == []


def test_pictures_of_one_kind_of_part_are_no_copies(facts_of):
    pictures = [
        cv2.addWeighted(surface(99, 96), 0.9, surface(i, 96), 0.1, 0)
        for i in range(16)
    ]
    facts = facts_of(pictures)
    assert near_copies(facts) == []
    # they are alike by their hashes
    hashes = np.array([f.hashes[0] for f in facts], np.uint64)
    pairs = [len(rows) for rows, _ in near_hashes(hashes, hashes)]
    assert sum(pairs) > 4 * len(facts)


def test_many_pictures_of_one_kind_take_seconds():
    common, facts = surface(99, 64), []
    for i in range(400):
        small = cv2.addWeighted(common, 0.85, surface(i, 64), 0.15, 0)
        hashes = (0,) * 8  # all are compared with all
        facts.append(ImageFacts(limits=(0, 1), hashes=hashes, small=small))
    facts[7] = replace(facts[7], small=facts[300].small)
    start = time.process_time()
    assert [pair[:2] for pair in near_copies(facts)] == [(7, 300)]
    assert time.process_time() - start < 20


def test_flat_pictures_are_not_compared(facts_of):
    flat = [np.full((40, 40), value, np.uint8) for value in (0, 9, 200)]
    facts = facts_of([*flat, surface(0)])
    assert near_copies(facts) == []
    assert [f.flat for f in facts] == [True, True, True, False]
    assert near_copies([]) == []


def test_groups_are_what_pairs_connect(facts_of):
    pictures = [surface(i) for i in range(12)]
    near = [changed('noise', picture) for picture in pictures[:2]]
    facts = facts_of([*pictures, *near, changed('darker', pictures[0])])
    steps = []
    pairs = near_copies(facts, progress=lambda: steps.append(1))
    assert len(steps) == 8
    assert groups_of(len(facts), pairs) == [[0, 12, 14], [1, 13]]
