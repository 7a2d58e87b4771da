"""How images are read is settled once for all steps of a config."""

import logging

import numpy as np
import pytest
import tifffile
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from PIL import Image

from mmcvgssl.datasets.reading.survey import survey_images
from mmcvgssl.runner.image_reading import fitted_range, settle_images
from mmcvgssl.runner.load_steps import image_steps

GREY = np.tile(np.arange(40, dtype=np.float64) / 39, (30, 1))


def write(folder, count=3, scale=4000.0, dtype='uint16', suffix='.tif'):
    """Write pictures of values from 0 to ``scale``."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        path = folder / f'{i}{suffix}'
        values = (GREY * scale).astype(dtype)
        if suffix == '.tif':
            tifffile.imwrite(path, values)
        else:
            Image.fromarray(values).save(path)
    return folder


def config(folder, fit=None, **top) -> Config:
    """Make a config of steps at several depths."""
    load = dict(type='mmcvgssl.LoadImage')

    def loader(root):
        return dict(
            dataset=dict(
                type='mmcvgssl.SurfaceImages',
                data_root=str(root),
                pipeline=[dict(type='mmcvgssl.Cached', transforms=[load])],
            )
        )

    content = dict(
        train_dataloader=loader(folder),
        test_dataloader=dict(dataset=dict(pipeline=[load])),
        custom_hooks=[dict(switch_pipeline=[load])],
        **top,
    )
    if fit is not None:
        content['fit_dataloader'] = loader(fit)
    return Config(content)


def ranges(cfg) -> list:
    return [step.get('depth_range') for step in image_steps(cfg._cfg_dict)]


@pytest.fixture
def lines():
    """Collect what is logged."""
    found = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: found.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ('scale', 'dtype', 'expected', 'said'),
    [
        (4000, 'uint16', (0, 4095), 'of 16 bits and use 0 to 4000'),
        (60000, 'uint16', (0, 65535), '16 bits'),
        (1, 'float32', (0, 1), 'float of 32 bits and use 0 to 1'),
        (255, 'float64', (0, 255), 'float of 64 bits'),
        (1000, 'int32', (0, 1023), 'signed 32 bits'),
    ],
)
def test_a_range_is_measured_and_handed_to_all_steps(
    tmp_path, lines, scale, dtype, expected, said
):
    cfg = config(write(tmp_path / 'a', scale=scale, dtype=dtype))
    settle_images(cfg)
    assert ranges(cfg) == [expected] * 3
    assert cfg.depth_range == expected
    (line,) = [text for text in lines if 'read with' in text]
    assert said in line
    assert line.endswith(f'{expected}, measured on 3 of 3 images')
    # once settled it stays, whatever images come
    write(tmp_path / 'a', scale=scale / 100, dtype=dtype)
    settle_images(cfg)
    assert ranges(cfg) == [expected] * 3


def test_images_of_8_bits_need_no_range(tmp_path, lines):
    folder = write(tmp_path / 'a', 3, 200, 'uint8', '.png')
    cfg = config(folder)
    settle_images(cfg)
    assert ranges(cfg) == [None] * 3
    assert 'depth_range' not in cfg
    assert not [line for line in lines if 'range' in line]


def test_options_at_the_top_hold_for_all_steps(tmp_path, lines):
    folder = write(tmp_path / 'a')
    top = dict(page=0, max_pixels=5000, max_unreadable=0.5)
    cfg = config(folder, depth_range=[0, 8191], **top)
    settle_images(cfg)
    steps = list(image_steps(cfg._cfg_dict))
    assert len(steps) == 3
    for step in steps:
        assert tuple(step.depth_range) == (0, 8191)
        assert (step.page, step.max_pixels) == (0, 5000)
        assert 'max_unreadable' not in step
    assert cfg.train_dataloader.dataset.max_unreadable == 0.5
    assert any('(0, 8191), as given' in line for line in lines)


@pytest.mark.parametrize(
    ('top', 'message'),
    [
        ({'depth_range': (9, 1)}, r'depth_range must be \(low, high\)'),
        ({'max_pixels': 0}, 'max_pixels is a positive'),
        ({'max_unreadable': 2}, 'max_unreadable is a share'),
    ],
)
def test_bad_options_are_refused(tmp_path, top, message):
    cfg = config(write(tmp_path / 'a', 1), **top)
    with pytest.raises(ValueError, match=message):
        settle_images(cfg)


def test_floats_and_integers_have_no_range_in_common(tmp_path):
    folder = write(tmp_path / 'a', 2)
    tifffile.imwrite(folder / 'odd.tif', GREY.astype(np.float32))
    with pytest.raises(ValueError, match=r'no range in common .*odd\.tif'):
        settle_images(config(folder))
    cfg = config(folder, depth_range=(0, 4095))
    settle_images(cfg)
    assert ranges(cfg) == [(0, 4095)] * 3


@pytest.mark.parametrize(
    ('scale', 'dtype', 'top', 'warned'),
    [
        (10, 'uint8', {}, True),
        (60, 'uint8', {}, False),
        (3000, 'uint16', {'depth_range': (0, 65535)}, True),
        (3000, 'uint16', {}, False),
        (0.01, 'float32', {}, True),
    ],
)
def test_a_data_set_that_hardly_uses_its_range_is_named(
    tmp_path, lines, scale, dtype, top, warned
):
    folder = write(tmp_path / 'a', scale=scale, dtype=dtype)
    settle_images(config(folder, **top))
    found = [line for line in lines if 'under a twentieth' in line]
    assert len(found) == warned


def test_8_bits_beside_more_are_said(tmp_path, lines):
    folder = write(tmp_path / 'a', 2)
    write(folder, 3, 200, 'uint8', '.png')
    settle_images(config(folder))
    (line,) = [text for text in lines if 'more than 8 bits' in text]
    assert '2 of 5 images' in line
    assert '3 have 8' in line


def test_fitting_images_are_measured_where_nothing_is_trained(tmp_path):
    cfg = config(
        write(tmp_path / 'a', scale=60000), write(tmp_path / 'b', scale=900)
    )
    settle_images(cfg, testing=True)
    assert ranges(cfg) == [(0, 1023)] * 4


def test_a_checkpoint_says_the_range_it_was_trained_with(tmp_path):
    folder = write(tmp_path / 'a', scale=900)
    file = tmp_path / 'a.pth'
    meta = {'cfg': 'depth_range = (0, 4095)\nmodel = dict(a=1)\n'}
    torch.save({'meta': meta, 'state_dict': {}}, file)
    options = {'testing': True}, {}
    for testing, resume, expected in (
        (options[0], False, (0, 4095)),
        (options[1], True, (0, 4095)),
        (options[1], False, (0, 1023)),
    ):
        cfg = config(folder, load_from=str(file), resume=resume)
        settle_images(cfg, **testing)
        assert ranges(cfg) == [expected] * 3


def test_unreadable_files_do_not_hide_the_others(tmp_path):
    folder = write(tmp_path / 'a')
    (folder / 'x.tif').write_bytes(b'II*\0')
    found = survey_images(sorted(map(str, folder.iterdir())))
    assert (found.count, found.headers, len(found.deep)) == (4, 3, 3)
    assert fitted_range(folder / 'x.tif') is None
    assert fitted_range(folder / 'none.safetensors') is None
