"""The table of files that are read, through each of the readers."""

import logging
import re

import cv2
import numpy as np
import pytest
import tifffile
from mmengine.logging import MMLogger
from PIL import Image

from mmcvgssl.datasets.reading import (
    check_image,
    common_range,
    image_size,
    read_image,
)
from mmcvgssl.datasets.transforms import LoadImage, UnreadableImageError
from tests.data import picture
from tests.image_files import HEIGHT, KINDS, WIDTH, rows

DEEP = [kind for kind in KINDS if kind.depth_range]


@pytest.fixture
def warnings():
    """Collect what the logger warns of."""
    found = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


def difference(image: np.ndarray, expected: np.ndarray) -> float:
    assert image.dtype == np.uint8
    assert image.shape == expected.shape
    return float(np.abs(image.astype(int) - expected).mean())


@pytest.mark.parametrize(
    ('kind', 'orientation'),
    list(rows()),
    ids=lambda v: getattr(v, 'name', v),
)
def test_size_and_pixels_are_upright(tmp_path, kind, orientation):
    path = str(kind.make(tmp_path, orientation))
    assert image_size(path) == (WIDTH, HEIGHT)
    assert check_image(path) is None
    image = read_image(path, kind.depth_range)
    assert difference(image, kind.expected()) <= kind.tolerance
    loaded = LoadImage(kind.depth_range)({'img_path': path})
    assert np.array_equal(loaded['img'], image)
    assert loaded['img_shape'] == loaded['ori_shape'] == (HEIGHT, WIDTH)


# depth


@pytest.mark.parametrize(
    ('values', 'floats', 'expected'),
    [
        ([(30, 3900)], False, (0, 4095)),
        ([(0, 4095)], False, (0, 4095)),
        ([(0, 4096)], False, (0, 8191)),
        ([(7, 90)], False, (0, 255)),
        ([(0, 0)], False, (0, 255)),
        ([(900, 1000), (0, 65535)], False, (0, 65535)),
        ([(-300, 1000)], False, (-512, 1023)),
        ([(-512, -3)], False, (-512, 255)),
        ([(0.1, 0.9)], True, (0, 1)),
        ([(0, 1.0), (0, 1.02)], True, (0, 1.02)),
        ([(-0.5, 0.5)], True, (-0.5, 0.5)),
        ([(0, 200.5)], True, (0, 255)),
        ([(3, 4000)], True, (0, 4095)),
        ([(7, 7)], True, (7, 8)),
        ([(-2, -2)], True, (-2, -1)),
    ],
)
def test_a_range_holds_all_files(values, floats, expected):
    assert common_range(values, floats) == expected


@pytest.mark.parametrize('kind', DEEP, ids=lambda kind: kind.name)
def test_deep_files_alone_are_not_black_and_load_by_a_range_only(
    tmp_path, kind
):
    path = str(kind.make(tmp_path))
    image = read_image(path).astype(int)
    assert np.ptp(image) > 100
    with pytest.raises(UnreadableImageError, match='set depth_range='):
        LoadImage()({'img_path': path})


@pytest.mark.parametrize('bad', [(5, 5), (9, 1), (1,), 'ab', (0, np.inf), 3])
def test_a_range_is_two_numbers_in_order(bad):
    with pytest.raises(ValueError, match=r'depth_range must be \(low, high\)'):
        LoadImage(bad)
    with pytest.raises(ValueError, match='depth_range'):
        read_image('none.png', bad)


def test_values_outside_the_range_are_clipped_and_said_once(
    tmp_path, warnings
):
    for name in 'ab':
        deep = np.array([[0, 5000], [2000, 4000]], np.uint16)
        Image.fromarray(deep).save(tmp_path / f'{name}.png')
        image = read_image(str(tmp_path / f'{name}.png'), (1000, 4000))
        assert image[..., 0].tolist() == [[0, 255], [85, 255]]
    assert len(warnings) == 1
    assert 'a.png has values from 0 to 5000' in warnings[0]
    assert 'depth_range=(1000, 4000) is clipped' in warnings[0]


def test_opacity_is_dropped_and_said_once(tmp_path, warnings):
    for name in 'ab':
        picture(1, mode='RGBA').save(tmp_path / f'{name}.png')
        read_image(str(tmp_path / f'{name}.png'))
    assert len(warnings) == 1
    assert 'a.png has an alpha channel, which is not read' in warnings[0]


@pytest.mark.parametrize('size', [(1600, 1311), (1, 2_097_153), (263_000, 8)])
def test_large_pictures_are_read_as_small_ones(tmp_path, size):
    width, height = size
    values = np.arange(width * height * 3, dtype=np.uint32) * 2_654_435_761
    rgb = (values >> 24).astype(np.uint8).reshape(height, width, 3)
    file = tmp_path / 'large.ppm'
    Image.fromarray(rgb).save(file)
    found = read_image(str(file))
    np.testing.assert_array_equal(found, rgb[..., ::-1])
    assert found.flags.writeable


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path, value):
    values = np.full((4, 5), 0.5, np.float32)
    values[1, 2] = value
    tifffile.imwrite(tmp_path / 'a.tif', values)
    with pytest.raises(UnreadableImageError, match=r'a\.tif: 1 values are'):
        read_image(str(tmp_path / 'a.tif'), (0, 1))


# several pictures, many pixels, broken files


def write_pages(folder, suffix):
    """Write three pictures of the values 10, 20 and 30 to one file."""
    path = folder / f'pages{suffix}'
    pages = [Image.new('L', (20, 10), 10 * i) for i in (1, 2, 3)]
    if suffix == '.tif64':
        values = np.stack([np.asarray(page, float) for page in pages])
        tifffile.imwrite(path, values, photometric='minisblack')
        return path
    options = {'.webp': {'lossless': True}, '.mpo': {'format': 'MPO'}}
    rgb = [page.convert('RGB') for page in pages]
    rgb[0].save(
        path, save_all=True, append_images=rgb[1:], **options.get(suffix, {})
    )
    return path


@pytest.mark.parametrize('suffix', ['.tif', '.tif64', '.gif', '.webp', '.png'])
def test_a_file_of_several_pictures_is_refused_until_one_is_chosen(
    tmp_path, suffix
):
    path = str(write_pages(tmp_path, suffix))
    message = r'pages.*: the file holds 3 pictures; set page=0 of LoadImage'
    for reader in (
        read_image,
        image_size,
        lambda path: LoadImage()({'img_path': path}),
    ):
        with pytest.raises(UnreadableImageError, match=message):
            reader(path)
    for page in range(3):
        image = read_image(path, (0, 255), page=page)
        assert abs(int(image.mean()) - 10 * (page + 1)) <= 1
        loaded = LoadImage((0, 255), page=page)({'img_path': path})
        assert np.array_equal(loaded['img'], image)
    with pytest.raises(UnreadableImageError, match='page=3 is not there'):
        read_image(path, page=3)


def test_the_first_picture_of_a_shot_is_meant(tmp_path):
    path = str(write_pages(tmp_path, '.mpo'))
    assert read_image(path).mean() == 10
    assert read_image(path, page=1).mean() == 20


def test_thumbnails_of_a_tiff_are_no_pictures(tmp_path):
    path = tmp_path / 'a.tif'
    with tifffile.TiffWriter(path) as file:
        file.write(np.full((8, 8), 3, np.uint8), subfiletype=1)
        file.write(np.full((20, 30), 90, np.uint8))
    assert image_size(str(path)) == (30, 20)
    assert (read_image(str(path)) == 90).all()


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.jpg', '.bmp', '.webp'])
def test_more_pixels_than_allowed_are_refused_by_the_header(
    tmp_path, suffix, monkeypatch
):
    path = str(tmp_path / f'large{suffix}')
    Image.new('L', (60, 40)).convert('RGB').save(path)
    message = r'large.*: 60 x 40 pixels are more than max_pixels=2399; .*'
    assert read_image(path, max_pixels=2400).shape == (40, 60, 3)
    for attempt in (
        lambda: read_image(path, max_pixels=2399),
        lambda: LoadImage(max_pixels=2399)({'img_path': path}),
    ):
        with pytest.raises(UnreadableImageError, match=message):
            attempt()
    monkeypatch.setenv('MMCVGSSL_MAX_PIXELS', '2399')
    with pytest.raises(UnreadableImageError, match='MMCVGSSL_MAX_PIXELS'):
        image_size(path)
    assert image_size(path, max_pixels=2400) == (60, 40)


@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_the_limit_is_this_packages_not_pillows(tmp_path, suffix, monkeypatch):
    path = str(tmp_path / f'large{suffix}')
    Image.new('L', (60, 40), 7).save(path)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    assert (read_image(path) == 7).all()
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize('text', ['none', '0', '-5', '1.5'])
def test_a_limit_is_a_number_of_pixels(text, monkeypatch):
    monkeypatch.setenv('MMCVGSSL_MAX_PIXELS', text)
    with pytest.raises(ValueError, match='MMCVGSSL_MAX_PIXELS is a positive'):
        LoadImage()
    with pytest.raises(ValueError, match='max_pixels is a positive'):
        LoadImage(max_pixels=0)


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_a_file_that_ends_too_early_is_named(tmp_path, kind):
    whole = kind.make(tmp_path).read_bytes()
    cut = tmp_path / f'cut_{kind.name}'
    for share in (0.02, 0.4):
        cut.write_bytes(whole[: int(len(whole) * share)])
        said = check_image(str(cut))
        assert said is not None
        assert said.startswith(f'{cut}: ')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'No such file'),
        (b'', 'the file is empty'),
        (b'no picture', 'is no image that is read; expected JPEG'),
        (b'II*\0', ''),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, message):
    path = tmp_path / 'a.png'
    if content is not None:
        path.write_bytes(content)
    for reader in (read_image, image_size):
        with pytest.raises(
            UnreadableImageError, match=rf'a\.png: .*{message}'
        ):
            reader(str(path))


@pytest.mark.parametrize('bands', [5, 7])
@pytest.mark.parametrize('dtype', ['uint8', 'uint16'])
def test_bands_that_are_no_colours_are_refused(tmp_path, bands, dtype):
    path = tmp_path / 'bands.tif'
    values = np.zeros((6, 8, bands), dtype)
    tifffile.imwrite(
        path, values, photometric='minisblack', planarconfig='contig'
    )
    said = check_image(str(path))
    assert said is not None
    assert f'expected grey or colours, got {bands} bands' in said


def whole_jpeg():
    values = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
    return cv2.imencode('.jpg', values)[1].tobytes()


@pytest.mark.parametrize(
    ('kept', 'tail', 'message'),
    [
        (1.0, b'', None),
        (1.0, b'\0' * 5000, None),  # a block of a disk, filled up
        (1.0, b'trailer of a telephone\0', None),
        (0.9, b'', 'truncated'),
        (0.5, b'\0' * 5000, 'ends too early, zeros follow'),
        (0.99, b'\0' * 100, 'ends too early, zeros follow'),
    ],
)
def test_zeros_are_no_end_of_a_jpeg(tmp_path, kept, tail, message):
    path, data = tmp_path / 'a.jpg', whole_jpeg()
    path.write_bytes(data[: int(len(data) * kept)] + tail)
    said = check_image(str(path))
    assert (said is None) if message is None else (message in said)


@pytest.mark.parametrize(
    ('head', 'name'),
    [
        (b'\0\0\0\x18ftypheic\0\0\0\0mif1', 'a HEIC'),
        (b'\0\0\0\x1cftypavif', 'an AVIF'),
        (b'II*\0\x10\0\0\0CR\x02\0', 'a raw file of a camera'),
        (b'\0\0\x01\0\x01\0', 'an icon'),
        (b'\0\x05\x16\x07\0\x02\0\0Mac OS X', 'an attribute file of macOS'),
        (b'%PDF-1.4 no picture', 'a PDF, which is not read; expected JPEG'),
        (b'<!DOCTYPE html><title>404</title>', 'a page of HTML'),
        (b'version https://git-lfs.github.com/spec/v1', 'a pointer of Git'),
        (b'\0' * 900, 'zeros'),
    ],
)
def test_what_is_named_as_an_image_and_is_none_is_called_by_its_name(
    tmp_path, head, name
):
    path = tmp_path / 'a.jpg'
    path.write_bytes(head)
    said = check_image(str(path))
    assert said is not None
    assert f'a.jpg: it holds {name}' in said


@pytest.mark.parametrize(
    ('suffix', 'colours', 'good'),
    [('.png', 256, True), ('.png', 10, False), ('.bmp', 10, False)],
)
def test_colours_that_a_palette_lacks_are_not_black(
    tmp_path, suffix, colours, good
):
    path = tmp_path / f'a{suffix}'
    image = Image.fromarray(np.arange(256, dtype=np.uint8)[None], 'P')
    image.putpalette([i % 200 for i in range(3 * colours)])
    image.save(path)
    said = check_image(str(path))
    if good:
        assert said is None
    else:
        assert re.search('have colour .* of a palette of 10 colours', said)


def write_raw(path):
    """Write what DNGs look like: a preview before the mosaic of a sensor."""
    with tifffile.TiffWriter(path) as file:
        preview = np.full((4, 4, 3), 99, np.uint8)
        file.write(preview, photometric='rgb', subfiletype=1, subifds=1)
        file.write(
            np.zeros((16, 16), np.uint16),
            photometric='cfa',
            extratags=[(33421, 'H', 2, (2, 2), False)],
        )


def write_packed(path):
    """Write colours of 12 bits, of which two values share three bytes."""
    tifffile.imwrite(path, np.zeros((4, 4, 3), np.uint16), photometric='rgb')
    with tifffile.TiffFile(path, mode='r+') as file:
        file.pages[0].tags['BitsPerSample'].overwrite((12, 12, 12))


PLANES = np.arange(3 * 16 * 16, dtype=np.uint8).reshape(3, 16, 16)


@pytest.mark.parametrize(
    ('write', 'message'),
    [
        (write_raw, 'a raw file of a camera, with a preview, is not read'),
        (
            lambda path: tifffile.imwrite(
                path,
                PLANES[0],
                extratags=[(50706, 'B', 4, (1, 4, 0, 0), True)],
            ),
            'a raw file of a camera, with a preview, is not read',
        ),
        (write_packed, '12 bits packed without gaps are not read'),
        (
            lambda path: tifffile.imwrite(
                path, PLANES[0].astype('i2'), photometric='miniswhite'
            ),
            '0 is said to be white in values of int16; save it',
        ),
        (
            lambda path: tifffile.imwrite(
                path, PLANES, imagej=True, truncate=True
            ),
            'holds 3 planes behind one header',
        ),
        (
            lambda path: tifffile.imwrite(
                path,
                np.repeat(PLANES, 6, 0),
                volumetric=True,
                tile=(16, 16, 16),
            ),
            'planes behind one header',
        ),
        (
            lambda path: tifffile.imwrite(path, PLANES[0].astype('c8')),
            'COMPLEX.* are not read; save real numbers',
        ),
    ],
    ids=['raw', 'dng', 'packed', 'white', 'imagej', 'volume', 'complex'],
)
def test_tiffs_that_are_no_single_picture_are_refused(
    tmp_path, write, message
):
    path = str(tmp_path / 'a.tif')
    write(path)
    with pytest.raises(UnreadableImageError, match=rf'a\.tif: .*{message}'):
        read_image(path)
