"""Pictures in memory are read as files of the same values are."""

import io

import numpy as np
import pytest
from PIL import Image

from mmcvgssl.datasets.reading import (
    MemoryImage,
    UnreadableImageError,
    array_to_bgr,
    read_image,
)
from mmcvgssl.datasets.reading.memory_image import file_of
from tests.image_files import (
    BLACK_WHITE,
    GREY,
    HEIGHT,
    KINDS,
    RGB,
    WIDTH,
    rows,
    stored,
)

# that Pillow does not open
UNKNOWN = ('half.tif', 'double.tif', 'grey_16_alpha.tif', 'colour_float.tif')
pytestmark = pytest.mark.filterwarnings('ignore::UserWarning')


def write(kind, orientation, folder):
    path = folder / kind.name
    shown = BLACK_WHITE if kind.one_bit else GREY if kind.grey else RGB
    kind.write(path, stored(shown, orientation), orientation)
    return path


@pytest.mark.parametrize(
    ('kind', 'orientation'),
    [
        pytest.param(kind, turn, id=f'{kind.name}-{turn}')
        for kind, turn in rows()
        if kind.name not in UNKNOWN and turn in (1, 4, 6)
    ],
)
def test_pillow_gives_what_the_file_has_or_an_error(
    tmp_path, kind, orientation
):
    path = write(kind, orientation, tmp_path)
    expected = read_image(str(path), kind.depth_range)
    unnamed = Image.open(io.BytesIO(path.read_bytes()))
    decoded = Image.open(path)
    decoded.load()
    copied = Image.open(path).convert('RGB') if not kind.depth_range else None
    for image in (unnamed, decoded, copied):
        if image is None:
            continue
        taken = MemoryImage.from_pillow(image, 'it')
        if taken.error is not None:
            assert image is decoded
            assert kind.depth_range or orientation > 4
            assert taken.error.startswith('it: Pillow has other values')
            continue
        found = array_to_bgr(taken.values, kind.depth_range)
        if image is copied and kind.name.endswith('.tif'):
            continue  # as Pillow has turned it
        np.testing.assert_array_equal(found, expected)


def test_a_file_that_is_not_decoded_is_known(tmp_path):
    kind = next(k for k in KINDS if k.name == 'colour.jpg')
    path = write(kind, 1, tmp_path)
    image = Image.open(path)
    assert file_of(image) == str(path)
    image.draft('RGB', (8, 8))
    assert file_of(image) is None
    image = Image.open(path)
    image.load()
    assert file_of(image) is None
    assert file_of(Image.open(io.BytesIO(path.read_bytes()))) is None
    assert file_of(Image.new('RGB', (2, 2))) is None


@pytest.mark.parametrize(
    ('values', 'depth_range', 'expected'),
    [
        (RGB, None, RGB[..., ::-1]),
        (RGB[:, ::-1], None, RGB[:, ::-1, ::-1]),
        (GREY, None, np.dstack([GREY] * 3)),
        (GREY[..., None], None, np.dstack([GREY] * 3)),
        (RGB * np.uint16(257), (0, 65535), RGB[..., ::-1]),
        ((RGB * np.uint16(257)).astype('>u2'), (0, 65535), RGB[..., ::-1]),
        (RGB / np.float32(255), (0, 1), RGB[..., ::-1]),
        (RGB / 255, (0, 1), RGB[..., ::-1]),
    ],
)
def test_arrays(values, depth_range, expected):
    values, expected = np.array(values), expected.copy()
    taken = MemoryImage.from_array(values, 'it')
    found = array_to_bgr(taken.values, depth_range)
    np.testing.assert_array_equal(found, expected)
    # a camera writes into its buffer again
    values[:] = 0
    np.testing.assert_array_equal(
        array_to_bgr(taken.values, depth_range), expected
    )


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        (np.zeros((0, 0, 3), np.uint8), 'uint8 [0, 0, 3]'),
        (np.zeros((3, HEIGHT, WIDTH), np.uint8), 'channels last'),
        (np.zeros((2, HEIGHT, WIDTH, 3), np.uint8), 'one image at a time'),
        (np.zeros((HEIGHT, WIDTH, 4), np.uint8), 'drop opacity'),
        (np.zeros((HEIGHT, WIDTH), bool), 'bool'),
        (np.ma.masked_array(GREY, GREY > 100), '.filled(value)'),
        (np.array(['a.png']), 'RGB [H, W, 3]'),
        (
            np.broadcast_to(np.uint8(0), (20_000, 10_000)),
            '10000 x 20000 pixels are more than max_pixels=',
        ),
    ],
)
def test_arrays_that_are_no_images(values, said):
    taken = MemoryImage.from_array(values, 'images[3]')
    assert taken.values is None
    assert taken.error.startswith('images[3]: an image in memory')
    assert said in taken.error


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_values_that_are_no_numbers(value):
    image = np.full((4, 4), value, np.float32)
    taken = MemoryImage.from_array(image, 'it')
    with pytest.raises(UnreadableImageError, match='16 values are infinite'):
        array_to_bgr(taken.values, (0, 1))


def test_pictures_that_are_none(tmp_path):
    nothing = MemoryImage.from_pillow(Image.new('L', (0, 5)), 'it')
    assert '[5, 0]' in nothing.error
    pages = [Image.new('L', (4, 4), i) for i in (0, 9)]
    path = tmp_path / 'two.gif'
    pages[0].save(path, save_all=True, append_images=pages[1:])
    several = Image.open(path)
    several.load()
    taken = MemoryImage.from_pillow(several, 'it')
    assert 'one of 2' in taken.error
    several.seek(1)
    one = MemoryImage.from_pillow(several.convert('L'), 'it')
    assert one.values[0, 0] == 9
    broken = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(broken, 'PNG')
    cut = Image.open(io.BytesIO(broken.getvalue()[:1000]))
    assert MemoryImage.from_pillow(cut, 'it').error.startswith('it: ')
