"""Anomaly maps: found, loaded, and moved as their images are."""

import io
import json
import random
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmpretrain.datasets import RandomCrop
from PIL import Image

import mmcvgssl.models.selfsup.anomaly_distill_classifier
import mmcvgssl.models.selfsup.anomaly_distill_simmim  # noqa: F401
from mmcvgssl.apis import MapError, build_runner
from mmcvgssl.datasets import TooManyUnreadableError
from mmcvgssl.datasets.transforms import LoadImage, MultiCrop
from mmcvgssl.datasets.transforms.joint_geometry import JointGeometry
from mmcvgssl.maps.anomaly_map_dataset import AnomalyMapDataset
from mmcvgssl.maps.load_anomaly_map import (
    LoadAnomalyMap,
    PackInputsWithMap,
)
from mmcvgssl.maps.map_crop import MapCrop
from mmcvgssl.models.anomaly import resize_map
from mmcvgssl.provenance import FileState
from mmcvgssl.registry import DATASETS, MODELS, TRANSFORMS
from tests.data import FakeTeacher, picture, write_classes, write_images

HEIGHT, WIDTH = 180, 230
GEOMETRY = [
    {
        'type': 'RandomResize',
        'scale': (256, 256),
        'ratio_range': (0.5, 2.0),
        'keep_ratio': True,
    },
    {'type': 'mmcvgssl.MapCrop', 'crop_size': 128, 'pad_val': 40},
    {'type': 'RandomFlip', 'prob': 0.5, 'direction': 'horizontal'},
    {'type': 'RandomFlip', 'prob': 0.5, 'direction': 'vertical'},
]
JOINT = {'type': 'mmcvgssl.JointGeometry', 'transforms': GEOMETRY}
LOAD = [{'type': 'mmcvgssl.LoadImage'}, {'type': 'mmcvgssl.LoadAnomalyMap'}]
PHOTOMETRIC = {'type': 'mmdet.PhotoMetricDistortion'}
PACK = {'type': 'mmcvgssl.PackInputsWithMap', 'meta_keys': ('img_path',)}


def seed(value: int) -> None:
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)


def chain(steps: list[dict], results: dict, value: int) -> dict:
    seed(value)
    for step in steps:
        results = TRANSFORMS.build(step)(results)
    return results


def write_maps(
    folder: Path,
    images: Path,
    leave_out=(),
    manifest: bool = True,
    shape=(5, 5),
) -> Path:
    """Write a map of each image as mmcvgssl maps does."""
    lines = []
    for i, path in enumerate(sorted(images.rglob('*.png'))):
        name = path.relative_to(images).as_posix()
        if name in leave_out:
            continue
        values = np.random.RandomState(i).rand(*shape).astype(np.float16)
        file = (folder / name).with_suffix('.npy')
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, values)
        with Image.open(path) as image:
            size = [image.height, image.width]
        line = {'path': name, 'map': name[:-4] + '.npy', 'size': size}
        line |= {'score': 1.0, 'map_max': float(values.max())}
        line['file'] = FileState.of(path).to_list()
        lines.append(json.dumps(line) + '\n')
    if manifest:
        (folder / 'manifest.jsonl').write_text(''.join(lines))
    return folder


def make(images: Path, maps: Path | str, **kwargs) -> AnomalyMapDataset:
    kwargs = {'pipeline': [], **kwargs}
    return DATASETS.build(
        {
            'type': 'mmcvgssl.AnomalyMapDataset',
            'data_root': str(images),
            'maps': str(maps),
            **kwargs,
        }
    )


@pytest.fixture
def folders(tmp_path):
    """Six images, every other one a folder deeper, and their maps."""
    images = tmp_path / 'images'
    write_images(images, 6)
    return images, write_maps(tmp_path / 'maps', images)


# which map belongs to which image


def pairs(data_set) -> list[tuple[str, str]]:
    infos = [data_set.get_data_info(i) for i in range(len(data_set))]
    return [(info['img_path'], info['map_path']) for info in infos]


@pytest.mark.parametrize('manifest', [True, False])
def test_maps_are_found_by_manifest_or_by_place(folders, manifest):
    images, maps = folders
    if not manifest:
        (maps / 'manifest.jsonl').unlink()
    data_set = make(images, maps)
    expected = [
        (str(p), str(maps / p.relative_to(images).with_suffix('.npy')))
        for p in sorted(images.rglob('*.png'))
    ]
    assert pairs(data_set) == expected
    info = data_set.get_data_info(0)
    assert 'gt_label' not in info
    assert info.get('map_size') == ((40, 40) if manifest else None)


def test_images_of_one_stem_share_no_map(tmp_path):
    images, maps = tmp_path / 'images', tmp_path / 'maps'
    for folder in (images, maps):
        folder.mkdir()
    for name in ('1.png', '1.jpg', '2.png'):
        picture(0).save(images / name)
    np.save(maps / '2.npy', np.zeros((2, 2), np.float16))
    data_set = make(images, maps, allow_missing=True)
    assert len(data_set) == 1
    np.save(maps / '1.npy', np.zeros((2, 2), np.float16))
    with pytest.raises(ValueError, match=r'1\.jpg and 1\.png would share'):
        make(images, maps)


def test_the_manifest_says_where_a_map_is(folders):
    images, maps = folders
    (maps / '00.npy').rename(maps / 'elsewhere.npy')
    file = maps / 'manifest.jsonl'
    file.write_text(file.read_text().replace('"00.npy"', '"elsewhere.npy"'))
    assert pairs(make(images, maps))[0] == (
        str(images / '00.png'),
        str(maps / 'elsewhere.npy'),
    )


@pytest.mark.parametrize('manifest', [True, False])
def test_labels_and_lists_and_folders_below(tmp_path, manifest):
    images = write_classes(tmp_path / 'images', 2)
    maps = write_maps(tmp_path / 'maps', images, manifest=manifest)
    labelled = make(images, maps, data_prefix='train', with_label=True)
    assert list(labelled.get_gt_labels()) == [0, 0, 1, 1, 2, 2]
    assert pairs(labelled)[2][1] == str(maps / 'train/rust/00.npy')
    (images / 'some.txt').write_text('train/rust/01.png 1\ntest/dent/00.png 0')
    listed = make(images, maps, ann_file='some.txt', with_label=True)
    assert [m for _, m in pairs(listed)] == [
        str(maps / 'train/rust/01.npy'),
        str(maps / 'test/dent/00.npy'),
    ]
    # maps of a folder above or below that of the images
    below = make(images / 'train', maps, map_root=str(images))
    assert pairs(below)[0][1] == str(maps / 'train/dent/00.npy')
    with pytest.raises(FileNotFoundError, match=r'6 images .* set map_root'):
        make(images / 'train', maps)
    with pytest.raises(FileNotFoundError, match=r'6 images \(\.\./train'):
        make(images / 'train', maps, map_root=str(images / 'test'))


@pytest.mark.parametrize('manifest', [True, False])
def test_missing_maps_stop_before_training_or_are_left_out(tmp_path, manifest):
    images = tmp_path / 'images'
    write_images(images, 6)
    out = ('02.png', 'deeper/01.png')
    maps = write_maps(tmp_path / 'maps', images, out, manifest)
    message = (
        r'2 images \(02\.png, deeper/01\.png\) of 6 without a map in .*maps; '
        '.*mmcvgssl maps.*allow_missing=True'
    )
    with pytest.raises(FileNotFoundError, match=message):
        make(images, maps)
    data_set = make(images, maps, allow_missing=True)
    lines = data_set.contents.warnings
    assert data_set.contents.left_out == {'without a map': list(out)}
    assert len(data_set) == 4
    assert not [p for p, _ in pairs(data_set) if p.endswith(out)]
    assert 'leaving out 2 images (02.png, deeper/01.png)' in lines[0]
    (images / 'twice.txt').write_text('00.png\n00.png\n02.png\n')
    twice = make(images, maps, ann_file='twice.txt', allow_missing=True)
    assert twice.contents.used == {'images': len(twice)} == {'images': 2}
    # listed, but not there
    (maps / '00.npy').unlink()
    with pytest.raises(FileNotFoundError, match=r'3 images \(00\.png, 02'):
        make(images, maps)


def test_changed_images_stop_or_are_left_out_up_to_a_share(folders):
    images, maps = folders
    picture(9).save(images / '02.png')
    with pytest.raises(MapError, match=r'02\.png\) of 6 .* allow_missing=T'):
        make(images, maps)
    with pytest.raises(MapError, match=r'02\.png\) of 6 .* allow_missing=T'):
        make(images, maps, max_unreadable=0.5)
    with pytest.raises(TooManyUnreadableError, match=r'share of 0\.1 '):
        make(images, maps, allow_missing=True)
    options = dict(allow_missing=True, max_unreadable=0.2)
    data_set = make(images, maps, **options)
    left = {'changed since its map': ['02.png']}
    assert data_set.contents.left_out == left
    assert '1 image (02.png) of 6' in data_set.contents.warnings[0]
    assert len(data_set) == 5
    assert not [p for p, _ in pairs(data_set) if p.endswith('02.png')]
    assert data_set.n_unreadable == 1
    # beside one without a map, which is no part of the share
    (maps / '00.npy').unlink()
    left['without a map'] = ['00.png']
    assert make(images, maps, **options).contents.left_out == left
    # another broken file is one too many
    files = sorted(images.rglob('*.png'))
    for i, file in enumerate(files):
        if i:
            picture(20 + i).save(file)
    with pytest.raises(TooManyUnreadableError, match=r'5 images .* of 6'):
        make(images, maps, **options)
    picture(30).save(files[0])
    with pytest.raises(MapError, match='no image is left'):
        make(images, maps, allow_missing=True, max_unreadable=1)


def test_changed_and_broken_images_share_one_limit(folders):
    images, maps = folders
    pipeline = [dict(type='mmcvgssl.LoadImage')]
    options = dict(allow_missing=True, pipeline=pipeline)
    cut = images / '00.png'
    cut.write_bytes(cut.read_bytes()[:-300])
    lines = [json.loads(x) for x in (maps / 'manifest.jsonl').open()]
    for line in lines:
        if line['path'] == '00.png':
            line['file'] = FileState.of(cut).to_list()
    text = ''.join(f'{json.dumps(line)}\n' for line in lines)
    (maps / 'manifest.jsonl').write_text(text)
    picture(9).save(images / '02.png')
    data_set = make(images, maps, max_unreadable=0.34, **options)
    assert data_set.prepare_data(0) is None
    assert data_set.n_unreadable == 2
    data_set = make(images, maps, max_unreadable=0.2, **options)
    with pytest.raises(TooManyUnreadableError, match='2 of 6 images'):
        data_set.prepare_data(0)


def test_many_missing_maps_are_counted(tmp_path):
    write_images(tmp_path / 'images', 6)
    maps = tmp_path / 'maps'
    maps.mkdir()
    message = r'6 images \(00\.png, 02\.png, 04\.png, \.\.\.\) of 6 without'
    with pytest.raises(FileNotFoundError, match=message):
        make(tmp_path / 'images', maps)
    with pytest.raises(ValueError, match='no image is left'):
        make(tmp_path / 'images', maps, allow_missing=True)


def test_folders_that_are_no_maps(folders):
    images, maps = folders
    with pytest.raises(FileNotFoundError, match=r'no folder of maps .*none'):
        make(images, maps / 'none')
    with pytest.raises(ValueError, match='AnomalyMapDataset needs maps'):
        make(images, '')
    (maps / 'manifest.jsonl').rename(maps / 'manifest.0.jsonl')
    with pytest.raises(FileNotFoundError, match='has not finished'):
        make(images, maps)
    (maps / 'manifest.jsonl').write_text('{"path": 3}\n')
    with pytest.raises(MapError, match=r'manifest\.jsonl:1'):
        make(images, maps)


def test_later_initialisation_and_broken_images(folders):
    images, maps = folders
    data_set = make(
        images,
        maps / 'none',
        lazy_init=True,
    )
    with pytest.raises(FileNotFoundError, match='no folder of maps'):
        data_set.full_init()
    (images / '00.png').write_bytes(b'')
    with pytest.raises(ValueError, match=r'1 image \(00\.png\) of 6 .* chang'):
        make(images, maps)
    # as if it had been so from the start
    texts = (maps / 'manifest.jsonl').read_text().splitlines()
    lines = [json.loads(text) for text in texts]
    lines[0]['file'] = FileState.of(images / '00.png').to_list()
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (maps / 'manifest.jsonl').write_text(text)
    data_set = make(images, maps, max_unreadable=0.5, pipeline=[*LOAD, PACK])
    sample = data_set[0]['data_samples']
    assert not sample.img_path.endswith('00.png')
    assert sample.anomaly_map.shape == (1, 40, 40)


# loading


def saved(tmp_path, values, size=(7, 9), **more) -> dict:
    np.save(tmp_path / 'a.npy', values)
    return {
        'img': np.zeros((*size, 3), np.uint8),
        'ori_shape': size,
        'img_path': 'a.png',
        'map_path': str(tmp_path / 'a.npy'),
        **more,
    }


@pytest.mark.parametrize('dtype', [np.float16, np.float32, '>f4', np.float64])
def test_maps_are_upsampled_with_corners_on_corners(tmp_path, dtype):
    values = np.random.RandomState(0).rand(3, 4).astype(dtype)
    got = LoadAnomalyMap()(saved(tmp_path, values))['anomaly_map']
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, resize_map(values, (7, 9)))
    corners = got[np.ix_([0, -1], [0, -1])]
    np.testing.assert_allclose(corners, values[np.ix_([0, -1], [0, -1])])
    # a row of the map in the middle of the image: 3 rows over 7
    np.testing.assert_allclose(got[3, 0], values[1, 0], rtol=1e-6)
    np.testing.assert_allclose(
        got[1, 0], (2 * values[0, 0] + values[1, 0]) / 3, rtol=1e-3
    )


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (np.array([[{}]], object), 'without pickled objects'),
        (np.zeros((2, 2), np.uint8), 'floating-point numbers, got uint8'),
        (np.zeros(4), r'shape \[4\]'),
        (np.zeros((0, 3)), r'shape \[0, 3\]'),
        (np.array([[0, np.nan]]), 'NaN or infinite'),
        (np.array([[0, np.inf]]), 'NaN or infinite'),
    ],
)
def test_files_that_are_no_maps(tmp_path, values, message):
    with pytest.raises(ValueError, match=rf'a\.npy.*{message}.*mmcvgssl maps'):
        LoadAnomalyMap()(saved(tmp_path, values))


def test_missing_and_torn_files(tmp_path):
    results = saved(tmp_path, np.zeros((3, 3), np.float32))
    file = tmp_path / 'a.npy'
    whole = file.read_bytes()
    for content in (b'', whole[: len(whole) // 2], b'no map'):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r'a\.npy cannot be read'):
            LoadAnomalyMap()(dict(results))
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros((3, 3)))
    file.write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match='got NpzFile'):
        LoadAnomalyMap()(dict(results))
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r'a\.npy; make the maps'):
        LoadAnomalyMap()(dict(results))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'ori_shape': (14, 18)}, 'must follow the loading of the image'),
        ({'flip': True}, 'before it is resized, cropped or flipped'),
        ({'map_size': (9, 7)}, r'a\.png has 7 x 9 pixels.*made of 9 x 7'),
    ],
)
def test_maps_that_do_not_belong_to_the_image(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        LoadAnomalyMap()(saved(tmp_path, np.zeros((2, 2)), **change))
    results = saved(tmp_path, np.zeros((2, 2)), map_size=(7, 9), flip=False)
    assert LoadAnomalyMap()(dict(results))['anomaly_map'].shape == (7, 9)
    with pytest.raises(ValueError, match='another map than was written'):
        LoadAnomalyMap()({**results, 'map_digest': 'other'})
    del results['map_path']
    with pytest.raises(ValueError, match='needs map_path'):
        LoadAnomalyMap()(results)


def test_packing(tmp_path):
    results = saved(tmp_path, np.random.RandomState(0).rand(3, 3))
    results = LoadAnomalyMap()(results)
    flipped = results['anomaly_map'][:, ::-1]
    packed = PackInputsWithMap(meta_keys=('img_path',))(
        {**results, 'anomaly_map': flipped, 'gt_label': 2}
    )
    sample = packed['data_samples']
    assert sample.anomaly_map.dtype == torch.float32
    assert sample.anomaly_map.shape == (1, 7, 9)
    np.testing.assert_array_equal(sample.anomaly_map[0].numpy(), flipped)
    assert (int(sample.gt_label), sample.img_path) == (2, 'a.png')
    assert packed['inputs'].shape == (3, 7, 9)
    del results['anomaly_map']
    with pytest.raises(ValueError, match=r'put mmcvgssl\.LoadAnomalyMap'):
        PackInputsWithMap()(results)


# moving


def blob(centre: tuple[float, float], sigma: float, y, x) -> np.ndarray:
    distance = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    return np.exp(-distance / (2 * sigma**2))


def write_blob(folder: Path, centre, sigma: float = 7.0) -> dict:
    """Write an image with a bright blob and its map of 24 x 30 patches."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    grey = 40 + 200 * blob(centre, sigma, y, x)
    image = np.repeat(np.round(grey)[..., None], 3, 2).astype(np.uint8)
    folder.mkdir(exist_ok=True)
    Image.fromarray(image).save(folder / 'a.png')
    rows, columns = np.mgrid[:24, :30]
    heat = blob(
        centre, sigma, rows * (HEIGHT - 1) / 23, columns * (WIDTH - 1) / 29
    )
    np.save(folder / 'a.npy', (0.2 + 0.5 * heat).astype(np.float16))
    return {
        'img_path': str(folder / 'a.png'),
        'map_path': str(folder / 'a.npy'),
        'map_size': (HEIGHT, WIDTH),
    }


def centre_of(values: np.ndarray) -> np.ndarray | None:
    """Centre of mass of a blob; None if it does not lie well inside."""
    mass = values - values.min()
    edges = (mass[0], mass[-1], mass[:, 0], mass[:, -1])
    if max(edge.max() for edge in edges) >= 0.03 * mass.max():
        return None
    y, x = np.mgrid[: mass.shape[0], : mass.shape[1]]
    mass = np.where(mass > 0.03 * mass.max(), mass, 0)
    return np.array([(y * mass).sum(), (x * mass).sum()]) / mass.sum()


def test_a_blob_goes_through_the_pipeline_with_its_map(tmp_path):
    steps = [*LOAD, JOINT, PHOTOMETRIC, PACK]
    positions, gaps = [], []
    for value in range(60):
        place = np.random.RandomState(value).uniform((50, 60), (130, 170))
        packed = chain(steps, write_blob(tmp_path, tuple(place)), value)
        image = packed['inputs'].numpy().mean(0)
        heat = packed['data_samples'].anomaly_map.numpy()[0]
        assert image.shape == heat.shape == (128, 128)
        # a map keeps its range, a distorted image does not
        assert 0.19 < heat.min() <= heat.max() < 0.71
        one, other = centre_of(image), centre_of(heat)
        if one is not None and other is not None:
            positions.append(one)
            gaps.append(np.abs(one - other).max())
    assert len(gaps) >= 20
    assert max(gaps) < 0.2
    # they did move
    assert np.ptp(positions, axis=0).min() > 50


def ramps() -> dict:
    """An image whose colours say where a pixel is from; a map likewise."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32) + 1
    place = x + 1000 * y
    return {
        'img': np.stack([x, y, place], 2),
        'anomaly_map': place,
        'img_shape': (HEIGHT, WIDTH),
    }


@pytest.mark.parametrize(
    'steps',
    [
        GEOMETRY,
        [{'type': 'Resize', 'scale': (97, 203)}],
        [{'type': 'mmpretrain.ResizeEdge', 'scale': 99, 'edge': 'short'}],
        [{'type': 'CenterCrop', 'crop_size': (90, 61)}],
        [{'type': 'mmpretrain.RandomResizedCrop', 'scale': 64}],
        [{'type': 'RandomChoiceResize', 'scales': [(64, 80), (300, 200)]}],
        [{'type': 'mmcvgssl.SquareResize', 'input_size': 77}],
        [
            {'type': 'RandomFlip', 'prob': 0.9, 'direction': 'diagonal'},
            {'type': 'Resize', 'scale': 111},
            {'type': 'mmcvgssl.MapCrop', 'crop_size': (50, 100)},
        ],
    ],
    ids=lambda steps: steps[0]['type'],
)
def test_every_pixel_of_the_map_is_where_the_image_has_it(steps):
    transform = JointGeometry(steps)
    seen = set()
    for value in range(25):
        seed(value)
        results = transform(ramps())
        image, heat = results['img'], results['anomaly_map']
        assert heat.dtype == np.float32
        assert image.shape[:2] == heat.shape == results['img_shape'][:2]
        inside = image[..., 2] != 40  # not padding
        gap = np.abs(heat - image[..., 2])[inside]
        assert gap.max() < 0.1
        seen.add(image[..., :2].round().tobytes())
    assert len(seen) > 1 or 'Random' not in steps[0]['type']


@settings(max_examples=20, deadline=None)
@given(value=st.integers(0, 2**31))
def test_the_image_is_the_same_without_a_map(value):
    steps = [GEOMETRY[0], *GEOMETRY[2:]]
    crop = {'type': 'mmpretrain.RandomResizedCrop', 'scale': 32}
    transform = JointGeometry([*steps, crop])
    seed(value)
    both = transform(ramps())
    after = np.random.rand(), random.random(), float(torch.rand(1))
    seed(value)
    alone = ramps()
    del alone['anomaly_map']
    alone = transform(alone)
    assert 'anomaly_map' not in alone
    assert np.array_equal(both['img'], alone['img'])
    assert (np.random.rand(), random.random(), float(torch.rand(1))) == after
    assert both['flip'] == alone['flip']


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('kind', ['Resize', 'RandomResize'])
def test_maps_are_resized_bilinearly_whatever_the_image(kind, backend):
    step = {'type': kind, 'scale': (13, 8), 'interpolation': 'nearest'}
    step |= {'backend': backend}
    if kind == 'RandomResize':
        step |= {'ratio_range': (1.0, 1.0)}
    flat = np.zeros((8, 8, 3), np.uint8)
    flat[:, 4:] = 200
    results = {'img': flat, 'anomaly_map': flat[..., 0].astype(np.float32)}
    out = JointGeometry([step])(results)
    assert set(np.unique(out['img'])) == {0, 200}
    assert out['img'].shape[:2] == out['anomaly_map'].shape == (8, 13)
    assert len(np.unique(out['anomaly_map'])) > 2


@pytest.mark.parametrize(
    'step',
    [
        {'type': 'mmpretrain.ColorJitter', 'brightness': 0.5},
        {'type': 'mmpretrain.Rotate', 'angle': 30.0},
        {'type': 'mmpretrain.RandomCrop', 'crop_size': 8},
        {'type': 'Pad', 'size': (300, 300)},
        {'type': 'CenterCrop', 'crop_size': 300, 'auto_pad': True},
    ],
    ids=lambda step: step['type'],
)
def test_what_a_map_cannot_follow_is_refused(step):
    with pytest.raises(ValueError, match=r'cannot move a map by .*MapCrop'):
        JointGeometry([step])


def test_a_map_of_another_size_is_named():
    results = ramps()
    results['img'] = results['img'][:-1]
    with pytest.raises(ValueError, match=r'\[180, 230\].*\[179, 230\]; put'):
        JointGeometry([GEOMETRY[2]])(results)
    assert 'RandomFlip' in repr(JointGeometry([GEOMETRY[2]]))


# cropping


@settings(max_examples=30, deadline=None)
@given(
    value=st.integers(0, 2**31),
    limit=st.floats(0.55, 0.95),
    threshold=st.sampled_from([None, 0.25]),
)
def test_no_class_fills_more_than_its_share(value, limit, threshold):
    heat = np.zeros((80, 80), np.float32)
    heat[:, 40:] = 1.0
    heat[0, 0] = 0.3  # above the given threshold, below the middle
    crop = MapCrop(30, limit, threshold, tries=200)
    seed(value)
    out = crop({'img': np.zeros((80, 80, 3), np.uint8), 'anomaly_map': heat})
    share = (out['anomaly_map'] > 0.5).mean()
    assert out['anomaly_map'].shape == (30, 30)
    assert max(share, 1 - share) <= limit + 1e-6 + (threshold or 0) / 100


def test_the_threshold_makes_the_classes():
    x = np.arange(100, dtype=np.float32)[None].repeat(100, 0)

    def middle(threshold):
        crop = MapCrop(20, 0.5, threshold, tries=2000)
        seed(0)
        results = {'img': np.zeros((100, 100, 3)), 'anomaly_map': x}
        return float(crop(results)['anomaly_map'].mean())

    # half above, half below
    assert middle(None) == pytest.approx(49.5)
    assert middle(29.5) == pytest.approx(29.5)


def test_the_best_try_counts_if_none_succeeds():
    heat = np.zeros((64, 64), np.float32)
    heat[30:34, 30:34] = 1  # 16 pixels, never a quarter of a crop
    results = {'img': np.zeros((64, 64, 3), np.uint8), 'anomaly_map': heat}
    shown = 0
    for value in range(20):
        seed(value)
        out = MapCrop(16, tries=200)(dict(results))
        shown += out['anomaly_map'].sum() == 16
        seed(value)
        first = MapCrop(16, tries=1)(dict(results))
        seed(value)
        alone = MapCrop(16)({'img': np.dstack([heat] * 3)})
        np.testing.assert_array_equal(
            alone['img'][..., 0], first['anomaly_map']
        )
    assert shown == 20


def test_constant_maps_are_cropped_at_random():
    results = ramps() | {'anomaly_map': np.full((HEIGHT, WIDTH), 0.5)}
    seed(0)
    out = MapCrop(100)(results)['img']
    seed(0)
    expected = RandomCrop(100)(ramps())['img']
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize('shape', [(20, 50), (50, 20), (20, 21), (41, 40)])
def test_small_images_are_padded_and_their_maps_with_the_least(shape):
    image = np.full((*shape, 3), 200, np.uint8)
    heat = np.full(shape, 0.7, np.float32)
    heat[0, 0] = 0.3
    for value in range(5):
        seed(value)
        out = MapCrop(40, pad_val=7)({'img': image, 'anomaly_map': heat})
        assert out['img'].shape == (40, 40, 3)
        assert (out['img'] == out['img'][..., :1]).all()
        assert out['anomaly_map'].shape == out['img_shape'] == (40, 40)
        padded = out['img'][..., 0] == 7
        assert (out['anomaly_map'][padded] == np.float32(0.3)).all()
        inside = out['anomaly_map'][~padded]
        assert (inside == np.float32(0.7)).sum() >= len(inside) - 1
        assert padded.sum() == 1600 - np.minimum(shape, 40).prod()
    out = MapCrop(40, pad_if_needed=False)({'img': image, 'anomaly_map': heat})
    assert out['anomaly_map'].shape == tuple(np.minimum(shape, 40))
    mirror = MapCrop(40, padding_mode='reflect')
    out = mirror({'img': image, 'anomaly_map': heat})
    assert (out['img'] == 200).all()


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'cat_max_ratio': 0.4}, r'share in \[0.5, 1\].*got 0.4'),
        ({'cat_max_ratio': 1.1}, 'got 1.1'),
        ({'tries': 0}, 'tries must be 1 or more, got 0'),
    ],
)
def test_crops_without_sense_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MapCrop(8, **kwargs)


# the weak view


def weak(*transforms: dict, **kwargs) -> MultiCrop:
    flips = GEOMETRY[2:]
    return MultiCrop(
        96,
        weak_scale=(0.3, 1.0),
        crop_scales=[(0.2, 0.5)] * 2,
        weak_transforms=[*flips, *transforms],
        crop_transforms=[*flips],
        **kwargs,
    )


def test_a_blob_of_the_weak_view_keeps_its_map(tmp_path):
    crop = weak(PHOTOMETRIC)
    gaps = []
    for value in range(60):
        place = np.random.RandomState(value).uniform((60, 70), (120, 160))
        results = chain(LOAD, write_blob(tmp_path, tuple(place)), value)
        results = crop(results)
        assert [v.shape for v in results['img']] == [(96, 96, 3)] * 3
        one = centre_of(results['img'][0].mean(2))
        other = centre_of(results['anomaly_map'])
        if one is not None and other is not None:
            gaps.append(np.abs(one - other).max())
    assert len(gaps) >= 20
    assert max(gaps) < 0.2


@settings(max_examples=25, deadline=None)
@given(value=st.integers(0, 2**31))
def test_views_are_the_same_with_and_without_a_map(value):
    crop = weak()
    seed(value)
    results = crop(ramps())
    view, heat = results['img'][0], results['anomaly_map']
    assert heat.shape == (96, 96)
    np.testing.assert_allclose(heat, view[..., 2], atol=0.1)
    alone = ramps()
    del alone['anomaly_map']
    seed(value)
    views = crop(alone)
    assert 'anomaly_map' not in views
    for one, other in zip(results['img'], views['img'], strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    'step',
    [
        {'type': 'mmpretrain.Rotate', 'angle': 30.0},
        {'type': 'mmpretrain.RandomCrop', 'crop_size': 8},
    ],
)
def test_weak_views_that_a_map_cannot_follow(step):
    crop = weak(step)
    results = ramps()
    with pytest.raises(ValueError, match=r'cannot follow these weak_transf'):
        crop(dict(results))
    del results['anomaly_map']
    assert len(crop(results)['img']) == 3


# the whole way


def test_images_maps_and_labels_reach_the_models(tmp_path):
    images = write_classes(tmp_path / 'images', 2)
    maps = write_maps(tmp_path / 'maps', images)
    joint = {'type': 'mmcvgssl.JointGeometry'}
    resize = {'type': 'RandomResize', 'scale': (64, 64)}
    resize |= {'ratio_range': (0.5, 2.0)}
    crop = {'type': 'mmcvgssl.MapCrop', 'crop_size': 32}
    steps = [*LOAD, joint | {'transforms': [resize, crop, GEOMETRY[2]]}, PACK]
    data_set = make(
        images, maps, data_prefix='train', with_label=True, pipeline=steps
    )
    items = [data_set[i] for i in range(4)]
    data = default_collate(items)
    assert data['inputs'].shape == (4, 3, 32, 32)
    assert all(
        s.anomaly_map.shape == (1, 32, 32) for s in data['data_samples']
    )
    # views depend on the seed, the epoch and the sample alone
    again = data_set[2]['data_samples'].anomaly_map
    assert torch.equal(again, items[2]['data_samples'].anomaly_map)
    data_set.set_epoch(1)
    assert not torch.equal(data_set[2]['data_samples'].anomaly_map, again)


def test_cvgssl_learns_from_loaded_maps(folders):
    images, maps = folders
    steps = [
        *LOAD,
        {
            'type': 'mmcvgssl.MultiCrop',
            'view_size': 32,
            'crop_scales': [(0.2, 0.6)],
            'weak_transforms': GEOMETRY[2:],
        },
        PACK,
    ]
    data_set = make(images, maps, pipeline=steps)
    data = default_collate([data_set[i] for i in range(4)])
    model = MODELS.build(
        {
            'type': 'mmcvgssl.CVGSSL',
            'backbone': {
                'type': 'mmpretrain.ResNet',
                'depth': 18,
                'stem_channels': 8,
                'base_channels': 8,
            },
            'teachers': [FakeTeacher()],
            'regression_head': {
                'type': 'mmcvgssl.FeatureRegressionHead',
                'in_channels': 64,
            },
            'distill_head': {'type': 'mmcvgssl.AnomalyDistillHead'},
        }
    )
    got = model(**model.data_preprocessor(data, True), mode='loss')
    assert set(got) == {'loss_regression', 'loss_anomaly'}
    assert all(bool(value.isfinite()) for value in got.values())


CONFIG = """
default_scope = 'mmpretrain'
norm = dict(mean=[110.0] * 3, std=[32.0] * 3)
geometry = dict(type='mmcvgssl.JointGeometry', transforms=[
    dict(type='RandomResize', scale=(64, 64), ratio_range=(0.5, 2.0)),
    dict(type='mmcvgssl.MapCrop', crop_size=64),
    dict(type='RandomFlip', prob=0.5)])
pipeline = [
    dict(type='mmcvgssl.LoadImage'),
    dict(type='mmcvgssl.LoadAnomalyMap'),
    geometry,
    dict(type='mmdet.PhotoMetricDistortion'),
    dict(type='SimMIMMaskGenerator', input_size=64, mask_patch_size=32),
    dict(type='mmcvgssl.PackInputsWithMap')]
train_dataloader = dict(
    batch_size=4, num_workers=0,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='mmcvgssl.AnomalyMapDataset', data_root={images!r},
        maps={maps!r}, with_label={labels}, pipeline=pipeline))
model = {model}
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
train_cfg = dict(by_epoch=True, max_epochs=1)
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
"""
CLASSIFIER = """dict(
    type='mmcvgssl.AnomalyDistillClassifier',
    backbone=dict(type='mmyolo.YOLOv8CSPDarknet', deepen_factor=0.33,
        widen_factor=0.0625, out_indices=(3, 4), frozen_stages=2),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=64),
    data_preprocessor=norm)"""
MASKED = """dict(
    type='mmcvgssl.AnomalyDistillSimMIM',
    backbone=dict(type='SimMIMSwinTransformer', img_size=64,
        arch=dict(embed_dims=8, depths=[1] * 4, num_heads=[1] * 4),
        stage_cfgs=dict(block_cfgs=dict(window_size=2)), frozen_stages=0),
    neck=dict(type='SimMIMLinearDecoder', in_channels=64, encoder_stride=32),
    head=dict(type='SimMIMHead', patch_size=4,
        loss=dict(type='PixelReconstructionLoss', criterion='L1', channel=3)),
    data_preprocessor=norm)"""


@pytest.mark.parametrize(
    ('model', 'task'),
    [(CLASSIFIER, 'loss_cls'), (MASKED, 'loss_reconstruction')],
    ids=['classifier', 'simmim'],
)
def test_runs_log_both_losses(tmp_path, scalars, model, task):
    images = write_classes(tmp_path / 'images', 4) / 'train'
    maps = write_maps(tmp_path / 'maps', images)
    text = CONFIG.format(
        images=str(images),
        maps=str(maps),
        labels='cls' in task,
        model=model,
    )
    cfg = Config.fromstring(text, '.py')
    cfg.work_dir, cfg.launcher = str(tmp_path / 'run'), 'none'
    cfg.experiment_name = uuid.uuid4().hex
    build_runner(cfg).train()
    logged = scalars(tmp_path / 'run')
    assert len(logged) == 3
    for line in logged.values():
        assert set(line) == {'loss', task, 'loss_anomaly'}
        assert line['loss'] == pytest.approx(
            line[task] + line['loss_anomaly'], rel=1e-4
        )


def test_reading_comes_before_the_map(folders):
    images, maps = folders
    info = make(images, maps).get_data_info(0)
    results = LoadAnomalyMap()(LoadImage()(info))
    assert results['anomaly_map'].shape == (40, 40)
