"""Masks as they lie around: grey, coloured, deep, turned, wrong."""

import numpy as np
import pytest
from mmpretrain.datasets import PackInputs
from PIL import Image

from mmcvgssl.datasets.transforms import (
    LoadImage,
    LoadMask,
    SquareResize,
    UnreadableImageError,
    read_mask,
)
from tests.data import picture

VALUES = np.array([[0, 1, 90], [254, 255, 0]], np.uint8)


def save(path, values, mode=None) -> str:
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path)
    return str(path)


def results(tmp_path, mask_path, label=1, shape=(2, 3)) -> dict:
    return {
        'img_path': str(tmp_path / 'image.png'),
        'mask_path': mask_path,
        'gt_label': label,
        'ori_shape': shape,
    }


@pytest.mark.parametrize('mode', [None, 'RGB', 'RGBA', 'LA', 'P'])
@pytest.mark.parametrize(
    ('threshold', 'expected'),
    [
        (0, [[0, 1, 1], [1, 1, 0]]),
        (1, [[0, 0, 1], [1, 1, 0]]),
        (127, [[0, 0, 0], [1, 1, 0]]),
        (254, [[0, 0, 0], [0, 1, 0]]),
    ],
)
def test_values_above_the_threshold_are_defect(
    tmp_path, mode, threshold, expected
):
    file = save(tmp_path / 'a.png', VALUES, mode)
    mask = LoadMask(threshold)(results(tmp_path, file))['gt_mask']
    assert (mask.dtype, mask.tolist()) == (np.uint8, expected)


def test_colours_bits_and_deep_values(tmp_path):
    colour = np.zeros((2, 3, 3), np.uint8)
    colour[0, 0, 0], colour[1, 1, 2] = 1, 200
    expected = [[1, 0, 0], [0, 1, 0]]
    file = save(tmp_path / 'colour.png', colour)
    assert read_mask(file).tolist() == expected
    file = save(tmp_path / 'bits.png', VALUES > 200)
    assert read_mask(file).tolist() == [[0, 0, 0], [1, 1, 0]]
    deep = save(tmp_path / 'deep.png', VALUES.astype(np.uint16) * 256)
    assert read_mask(deep, 300).tolist() == [[0, 0, 1], [1, 1, 0]]


def test_a_turned_mask_is_turned_as_its_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(VALUES).save(tmp_path / 'a.png', exif=exif)
    turned = np.rot90(VALUES > 0, -1).astype(np.uint8)
    assert read_mask(str(tmp_path / 'a.png')).tolist() == turned.tolist()


def test_without_a_mask_good_is_empty_and_defect_unknown(tmp_path):
    good = LoadMask()(results(tmp_path, None, label=0, shape=(4, 7)))
    assert good['gt_mask'].shape == (4, 7)
    assert good['gt_mask'].dtype == np.uint8
    assert not good['gt_mask'].any()
    assert 'gt_mask' not in LoadMask()(results(tmp_path, None))
    with pytest.raises(ValueError, match=r'image\.png is defective, but has'):
        LoadMask(required=True)(results(tmp_path, None))
    LoadMask(required=True)(results(tmp_path, None, label=0))


def test_an_empty_mask_is_kept_whatever_the_label(tmp_path):
    file = save(tmp_path / 'a.png', VALUES * 0)
    for label in (0, 1):
        loaded = LoadMask()(results(tmp_path, file, label))
        assert loaded['gt_mask'].tolist() == [[0] * 3] * 2


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (
            {'shape': (3, 2)},
            r'mask .*a\.png is 3 wide and 2 high and its image .*image\.png '
            '2 wide and 3 high',
        ),
        ({'label': 0}, r'image\.png is good, but its mask .*a\.png has 4 pix'),
    ],
)
def test_masks_that_do_not_fit(tmp_path, kwargs, message):
    file = save(tmp_path / 'a.png', VALUES)
    with pytest.raises(ValueError, match=message):
        LoadMask()(results(tmp_path, file, **kwargs))
    with pytest.raises(ValueError, match='threshold is 0 or more, got -1'):
        LoadMask(-1)


@pytest.mark.parametrize('content', [None, b'', b'no picture'])
def test_unreadable_masks_are_named(tmp_path, content):
    file = tmp_path / 'a.png'
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=r'a\.png'):
        LoadMask()(results(tmp_path, str(file)))


def test_the_mask_stays_as_large_as_the_file(tmp_path):
    picture(0, 24).crop((0, 0, 24, 10)).save(tmp_path / 'image.png')
    mask = np.zeros((10, 24), np.uint8)
    mask[2:5, 7:20] = 255
    written = results(tmp_path, save(tmp_path / 'mask.png', mask))
    pack = PackInputs(algorithm_keys=('gt_mask',), meta_keys=('ori_shape',))
    for step in (LoadImage(), LoadMask(), SquareResize(16), pack):
        written = step(written)
    assert written['inputs'].shape == (3, 16, 16)
    sample = written['data_samples']
    assert sample.gt_mask.tolist() == (mask > 0).astype(int).tolist()
    assert sample.ori_shape == (10, 24)
    assert int(sample.gt_label) == 1


@pytest.mark.parametrize('shape', [(10, 24), (24, 10), (5, 5)])
def test_square_resize(shape):
    image = np.zeros((*shape, 3), np.uint8)
    image[: shape[0] // 2] = 200
    out = SquareResize(8, interpolation='nearest')({'img': image})
    assert out['img'].shape == (8, 8, 3)
    assert out['img_shape'] == (8, 8)
    assert out['img'][0, 0, 0] == 200
    assert out['img'][-1, -1, 0] == 0


@pytest.mark.parametrize('size', [0, -3, 2.5, (8, 8), '8'])
def test_square_resize_takes_pixels(size):
    with pytest.raises(ValueError, match='expected a number of pixels'):
        SquareResize(size)


# what of a file with opacity shows the defect

EMPTY = np.zeros((4, 6), np.uint8)
SPOT = EMPTY.copy()
SPOT[1:3, 2:5] = 255
OTHER = EMPTY.copy()
OTHER[0, 0] = 255
FULL = np.full_like(SPOT, 255)


def write_rgba(path, colour, alpha, mode='RGBA') -> str:
    image = Image.fromarray(np.dstack([colour] * 3 + [alpha]))
    image.convert(mode).save(path)
    return str(path)


@pytest.mark.parametrize('mode', ['RGBA', 'LA'])
@pytest.mark.parametrize(
    ('colour', 'alpha', 'expected'),
    [
        (FULL, SPOT, SPOT),
        (EMPTY, SPOT, SPOT),
        (SPOT, FULL, SPOT),
        (SPOT, SPOT, SPOT),
        (EMPTY, EMPTY, EMPTY),
        (EMPTY, FULL, EMPTY),
        (FULL, FULL, FULL),
        (SPOT, OTHER, None),
        (FULL, EMPTY, None),
        (SPOT, EMPTY, None),
    ],
)
def test_the_channel_that_shows_a_defect_is_found_or_asked_for(
    tmp_path, mode, colour, alpha, expected
):
    file = write_rgba(tmp_path / 'a.png', colour, alpha, mode)
    assert (read_mask(file, channel='colour') == colour // 255).all()
    assert (read_mask(file, channel='alpha') == alpha // 255).all()
    if expected is not None:
        assert (read_mask(file) == expected // 255).all()
        return
    with pytest.raises(
        ValueError, match=r'a\.png: its colours mark \d+ of 24 pixels and .*'
    ) as caught:
        LoadMask()(results(tmp_path, file, shape=(4, 6)))
    assert 'channel="alpha" of LoadMask' in str(caught.value)
    LoadMask(channel='colour')(results(tmp_path, file, shape=(4, 6)))


def test_a_palette_with_opacity_is_told_apart_too(tmp_path):
    image = Image.fromarray((SPOT > 0).astype(np.uint8), 'P')
    image.putpalette([255, 255, 255] * 2)
    file = str(tmp_path / 'a.png')
    image.save(file, transparency=bytes([0, 255]))
    assert (read_mask(file) == SPOT // 255).all()
    image.putpalette([0, 0, 0, 128, 0, 0])
    image.save(file)
    assert (read_mask(file) == SPOT // 255).all()


def test_alpha_is_not_asked_of_what_has_none(tmp_path):
    file = save(tmp_path / 'a.png', SPOT)
    with pytest.raises(ValueError, match=r'a\.png has no alpha channel: set'):
        read_mask(file, channel='alpha')
    with pytest.raises(ValueError, match='channel is one of auto, colour'):
        LoadMask(channel='red')


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', ['.tif', '.png', '.webp'])
def test_masks_are_turned_as_images_are(tmp_path, orientation, suffix):
    source = Image.fromarray(SPOT).convert('RGB')
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f'a{suffix}'
    more = {'lossless': True} if suffix == '.webp' else {}
    source.save(path, exif=exif, **more)
    image = LoadImage()({'img_path': str(path)})
    mask = read_mask(str(path))
    assert mask.shape == image['ori_shape']
    assert (mask == image['img'][..., 0] // 255).all()


def test_float_masks_and_pages(tmp_path):
    pages = [Image.fromarray(m / np.float32(255)) for m in (SPOT, OTHER)]
    path = tmp_path / 'a.tif'
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with pytest.raises(UnreadableImageError, match='2 pictures'):
        read_mask(str(path))
    assert (read_mask(str(path), 0.5, page=1) == OTHER // 255).all()


@pytest.mark.parametrize(
    ('values', 'threshold', 'share'),
    [
        ((1, 2), 0, None),  # numbered classes, of which 1 is what is good
        ((128, 255), 0, None),
        ((128, 255), 128, 1 / 6),
        ((1, 2), 1, 1 / 6),
        ((255, 255), 0, 1),  # a defect may be as large as its image
        ((0, 255), 0, 1 / 6),
    ],
)
@pytest.mark.parametrize('mode', ['L', 'RGB', 'I;16'])
def test_a_background_above_the_threshold_is_no_defect(
    tmp_path, values, threshold, share, mode
):
    written = np.full(
        (2, 3), values[0], np.uint16 if 'I' in mode else np.uint8
    )
    written[1, 1] = values[1]
    file = save(tmp_path / 'a.png', written, 'RGB' if mode == 'RGB' else None)
    if share is None:
        message = f'a.png: its values from {values[0]} to {values[1]} are all'
        with pytest.raises(ValueError, match=message):
            read_mask(file, threshold)
    else:
        assert read_mask(file, threshold).mean() == pytest.approx(share)


def test_a_defect_of_no_pixel_is_warned_of(tmp_path, warned):
    file = save(tmp_path / 'a.png', np.zeros((2, 3), np.uint8))
    for label in (0, 1):
        LoadMask()(results(tmp_path, file, label))
    (text,) = warned()
    assert 'image.png is defective, but its mask' in text
    assert 'a.png marks no pixel' in text
