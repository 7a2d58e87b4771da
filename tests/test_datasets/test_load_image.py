"""Decoding of the files that factories keep."""

import numpy as np
import pytest
from PIL import Image

from mmcvgssl.datasets import TooManyUnreadableError
from mmcvgssl.datasets.transforms import (
    LoadImage,
    UnreadableImageError,
    read_image,
)
from tests.data import picture, write_broken

RGB = np.asarray(picture(1, 24))


def save(path, image, **kwargs):
    image.save(path, **kwargs)
    return str(path)


def test_colour_comes_as_bgr(tmp_path):
    file = save(tmp_path / 'a.png', picture(1, 24))
    image = read_image(file)
    assert image.dtype == np.uint8
    assert np.array_equal(image, RGB[..., ::-1])


@pytest.mark.parametrize(
    ('mode', 'suffix', 'tolerance'),
    [
        ('L', '.png', 0),
        ('LA', '.png', 0),
        ('1', '.png', 0),
        ('P', '.png', 0),
        ('RGBA', '.png', 0),
        ('CMYK', '.jpg', 12),
        ('CMYK', '.tif', 3),
    ],
)
def test_every_mode_becomes_three_channels(tmp_path, mode, suffix, tolerance):
    source = picture(1, 24, mode)
    image = read_image(save(tmp_path / f'a{suffix}', source))
    assert image.shape == (24, 24, 3)
    assert image.dtype == np.uint8
    expected = np.asarray(source.convert('RGB'))[..., ::-1].astype(int)
    assert np.abs(image - expected).mean() <= tolerance
    if mode in ('L', 'LA', '1'):
        assert np.array_equal(image[..., 0], image[..., 2])


@pytest.mark.parametrize('suffix', ['.png', '.tif'])
@pytest.mark.parametrize(
    ('depth_range', 'expected'),
    [((0, 65535), [0, 4, 16, 255]), ((0, 4095), [0, 64, 255, 255])],
)
def test_sixteen_bits_are_scaled_by_the_range(
    tmp_path, suffix, depth_range, expected
):
    deep = np.array([[0, 1024, 4095, 65535]], np.uint16)
    file = save(tmp_path / f'deep{suffix}', Image.fromarray(deep))
    image = read_image(file, depth_range)
    assert image[0, :, 0].tolist() == expected
    assert np.array_equal(image[..., 0], image[..., 1])
    results = LoadImage(depth_range)({'img_path': file})
    assert np.array_equal(results['img'], image)


def test_the_orientation_tag_is_honoured(tmp_path):
    wide = Image.fromarray(RGB[:10])
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    file = save(tmp_path / 'turned.png', wide, exif=exif)
    assert read_image(file).shape == (24, 10, 3)


def test_results_of_the_transform(tmp_path):
    file = save(tmp_path / 'a.png', Image.fromarray(RGB[:10]))
    results = LoadImage()({'img_path': file, 'sample_idx': 3})
    assert results['img_shape'] == results['ori_shape'] == (10, 24)
    assert results['sample_idx'] == 3
    assert '65535' in repr(LoadImage((0, 65535)))


DEEP = np.array([[0, 1024], [2048, 4095]], np.uint16)
GREY = np.array([[0, 64], [128, 255]], np.uint8)


@pytest.mark.parametrize(
    ('array', 'depth_range', 'wanted'),
    [
        (GREY, None, GREY),
        (GREY, (0, 4095), GREY),  # 8 bits are 8 bits, as in files
        (GREY[..., None], None, GREY),
        (np.dstack([GREY] * 3), None, GREY),
        (DEEP, (0, 4095), GREY),
        (np.dstack([DEEP] * 3), (0, 4095), GREY),
        (DEEP.astype(np.int32), (0, 4095), GREY),
        (DEEP.astype(np.float32) / 4095, (0, 1), GREY),
        (DEEP.astype(np.float64) / 4095, (0.0, 1.0), GREY),
    ],
)
def test_an_array_is_taken_as_a_file_of_its_values(array, depth_range, wanted):
    before = array.copy()
    results = LoadImage(depth_range)({'img': array, 'img_id': 4})
    assert results['img'].dtype == np.uint8
    assert np.array_equal(results['img'], np.dstack([wanted] * 3))
    assert results['img_shape'] == results['ori_shape'] == (2, 2)
    assert (results['img_path'], results['img_id']) == (None, 4)
    assert np.array_equal(array, before)


@pytest.mark.parametrize(
    ('array', 'depth_range', 'message'),
    [
        (DEEP, None, 'of 16 bits .*depth_range'),
        (DEEP.astype(np.float32), None, 'float of 32 bits.*depth_range'),
        (DEEP * np.nan, (0, 1), 'infinite or no numbers'),
        (np.zeros((2, 2, 4), np.uint8), None, 'drop opacity'),
        (np.zeros((1, 2, 2, 3), np.uint8), None, 'one image at a time'),
        (np.zeros((0, 2, 3), np.uint8), None, r'uint8 \[0, 2, 3\]'),
        (np.zeros((2, 2), bool), None, 'of numbers'),
        (np.array('file.png'), None, 'grey'),
    ],
)
def test_an_array_that_is_no_image_is_refused(array, depth_range, message):
    with pytest.raises((ValueError, UnreadableImageError), match=message):
        LoadImage(depth_range, max_unreadable=3)({'img': array})


def test_what_is_no_picture_is_an_error_with_its_name(tmp_path):
    for path in write_broken(tmp_path):
        with pytest.raises(UnreadableImageError, match=path.name):
            read_image(str(path))
    with pytest.raises(UnreadableImageError, match='missing'):
        LoadImage()({'img_path': str(tmp_path / 'missing.png')})


def test_no_substitute_is_sought_among_broken_images_alone(
    tmp_path, monkeypatch
):
    """Of data sets of mmyolo, whose images are drawn until one is whole."""
    infos = [{'img_path': str(path)} for path in write_broken(tmp_path)]

    class DataSet(list):
        get_data_info = list.__getitem__

    draws = iter([0, 0, 2, 1])
    monkeypatch.setattr(np.random, 'randint', lambda count: next(draws))
    step = LoadImage(max_unreadable=9)
    with pytest.raises(TooManyUnreadableError, match='none of the 3 images'):
        step({**infos[0], 'dataset': DataSet(infos)})
    assert next(draws, None) is None


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.tif'])
@pytest.mark.parametrize('share', [0.3, 0.9])
def test_a_file_that_ends_too_early_is_an_error(tmp_path, suffix, share):
    file = tmp_path / f'cut{suffix}'
    picture(1, 64).save(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UnreadableImageError, match='cut'):
        read_image(str(file))


@pytest.mark.parametrize('depth_range', [(5, 5), (9, 1)])
def test_an_empty_depth_range_is_refused(depth_range):
    with pytest.raises(ValueError, match='depth_range'):
        LoadImage(depth_range)


@pytest.mark.parametrize('mode', ['L', 'RGB', 'CMYK'])
def test_a_large_jpeg_is_decoded_no_larger_than_needed(tmp_path, mode):
    source = picture(1, 96, mode).resize((192, 96))
    file = save(tmp_path / 'a.jpg', source, quality=95)
    whole = read_image(file)
    shapes = {
        size: read_image(file, input_size=size).shape[:2]
        for size in (97, 96, 49, 48, 40, 12)
    }
    assert shapes == {
        97: (96, 192),
        96: (96, 192),
        49: (96, 192),
        48: (48, 96),
        40: (48, 96),
        12: (12, 24),
    }
    loaded = LoadImage(input_size=48)({'img_path': file})
    assert (loaded['img_shape'], loaded['ori_shape']) == ((48, 96), (96, 192))
    small = loaded['img'].astype(int)
    means = whole.reshape(48, 2, 96, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - means).mean() < 3


def test_other_files_are_decoded_as_they_are(tmp_path):
    file = save(tmp_path / 'a.png', picture(1, 96))
    assert np.array_equal(read_image(file, input_size=12), read_image(file))
