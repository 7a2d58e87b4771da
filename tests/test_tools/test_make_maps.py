"""Maps of folders by the command line: whole, resumable, shared out."""

import errno
import json
import os
import re
import sys
import uuid
from typing import ClassVar

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.model import ImgDataPreprocessor
from PIL import Image

from mmcvgssl.apis import MapError, MapFolder, load_config
from mmcvgssl.apis.make_maps import prepare_maps
from mmcvgssl.datasets.transforms import read_image
from mmcvgssl.maps import writer as module
from mmcvgssl.provenance import RECORD, Provenance
from mmcvgssl.registry import HOOKS, MODELS
from mmcvgssl.runner.image_reading import fitted_range
from tests.data import CONFIGS, ROOT, picture, write_broken, write_images
from tests.test_tools.test_dist import free_port

SIDE = 32


@pytest.fixture
def config(tmp_path):
    """Write a config of a small memory over six good pictures."""
    good = tmp_path / 'good'
    write_images(good, 6)

    def write(model: str = '', extra: str = ''):
        teacher = (
            "dict(type='mmcvgssl.TimmTeacher', levels=(1, 2), "
            f"model_name='test_efficientnet', input_size={SIDE}, "
            'allow_random=True)'
        )
        model = model or "type='mmcvgssl.PatchCore', coreset_size=20"
        bases = [
            str(CONFIGS / '_base_/anomaly_runtime.py'),
            str(CONFIGS / '_base_/loaders/one_class.py'),
        ]
        path = tmp_path / 'maps.py'
        path.write_text(
            f'_base_ = {bases!r}\n'
            'fit_dataloader = dict(num_workers=0, '
            f"dataset=dict(data_root={str(good)!r}, good_names='*'))\n"
            'test_dataloader = dict(num_workers=0)\n'
            f'model = dict({model}, teacher={teacher})\n'
            f'experiment_name = {uuid.uuid4().hex!r}\n{extra}\n'
        )
        return path

    return write


@pytest.fixture
def make(tool, tmp_path):
    """Run the tool in this process, from the same random weights."""

    def run(path, images, out='maps', *more):
        torch.manual_seed(0)
        options = ['--cfg-options', f'input_size={SIDE}']
        options += [f'experiment_name={uuid.uuid4().hex}']
        return tool(
            *('make_maps.py', path, '--images', images),
            *('--out', tmp_path / out, '--work-dir', tmp_path / 'work'),
            *(*more, *options),
        )

    return run


def lines(folder) -> list[dict]:
    text = (folder / 'manifest.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]


def maps(folder) -> list[str]:
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob('*.npy')
    )


def test_whole_batches_pass_with_the_threads_that_compute(
    config, make, tmp_path, monkeypatch
):
    write_images(tmp_path / 'images', 3)
    place = 'mmcvgssl.engine.map_loop.compute_threads'
    monkeypatch.setattr(place, lambda: 1)
    prepared, before = [], torch.get_num_threads()
    forward = ImgDataPreprocessor.forward

    def prepare(self, *args):
        prepared.append(torch.get_num_threads())
        return forward(self, *args)

    monkeypatch.setattr(ImgDataPreprocessor, 'forward', prepare)
    torch.set_num_threads(3)
    try:
        code, _, err = make(config(), tmp_path / 'images')
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert code == 0, err
    assert prepared[-1] == 1


def test_a_map_for_each_image_at_its_relative_path(config, make, tmp_path):
    images = write_images(tmp_path / 'images', 5)
    picture(9, 70, 'L').save(tmp_path / 'images' / 'grey.png')
    path = config()
    code, out, err = make(path, tmp_path / 'images')
    assert code == 0, err
    assert '6 images: 0 maps were there, 6 written' in out
    folder = tmp_path / 'maps'
    names = [p.relative_to(tmp_path / 'images').as_posix() for p in images]
    names = sorted([*names, 'grey.png'])
    assert [line['path'] for line in lines(folder)] == names
    assert maps(folder) == [n.replace('.png', '.npy') for n in names]

    torch.manual_seed(0)
    model = MODELS.build(load_config(path).model.to_dict())
    model.load_fitted(folder / 'fitted.safetensors')
    for line in lines(folder):
        image = read_image(str(tmp_path / 'images' / line['path']))
        assert line['size'] == list(image.shape[:2])
        stored = np.load(folder / line['map'], allow_pickle=False)
        assert stored.dtype == np.float16
        assert stored.shape == (8, 8)
        assert line['map_max'] == pytest.approx(stored.max(), rel=2e-3)
        assert line['score'] == pytest.approx(line['map_max'], rel=2e-3)
        # nothing else was done to the image than reading and resizing it
        small = cv2.resize(image, (SIDE, SIDE))
        batch = pseudo_collate(
            [{'inputs': torch.from_numpy(small).permute(2, 0, 1)}]
        )
        expected = model.test_step(batch)[0].anomaly_map
        np.testing.assert_allclose(stored, expected, rtol=2e-3, atol=1e-3)


def test_what_is_there_is_left_and_the_rest_is_made(config, make, tmp_path):
    images = write_images(tmp_path / 'images', 4)
    path = config()
    assert make(path, tmp_path / 'images')[0] == 0
    folder = tmp_path / 'maps'
    before = {p: os.stat(folder / p).st_mtime_ns for p in maps(folder)}
    picture(7).save(tmp_path / 'images' / 'new.png')
    (folder / maps(folder)[0]).unlink()
    code, out, err = make(path, tmp_path / 'images')
    assert code == 0, err
    assert '5 images: 3 maps were there, 2 written' in out
    after = {p: os.stat(folder / p).st_mtime_ns for p in maps(folder)}
    same = [p for p in before if after[p] == before[p]]
    assert len(same) == 3
    assert len(lines(folder)) == len(images) + 1
    assert not list(folder.glob('manifest.*.jsonl'))
    code, out, err = make(path, tmp_path / 'images')
    assert '5 maps were there, 0 written' in out


@HOOKS.register_module()
class CountImages(Hook):
    seen: ClassVar[list[str]] = []

    def after_test_iter(self, runner, batch_idx, data_batch, outputs):
        self.seen += [sample.img_path for sample in outputs]


def test_hooks_of_the_user_act_and_the_test_is_left_alone(
    config, make, tmp_path
):
    images = tmp_path / 'images'
    write_images(images, 3)
    CountImages.seen.clear()
    hooks = "custom_hooks = [*_base_.custom_hooks, dict(type='{}')]\n"
    # a test that cannot be built
    extra = "test_dataloader = dict(dataset=dict(data_root='nowhere'))\n"
    extra += "test_evaluator = dict(_delete_=True, type='Missing')\n"
    path = config(extra=hooks.format('mmcvgssl.CountImages') + extra)
    code, _, err = make(path, images)
    assert code == 0, err
    assert len(CountImages.seen) == len(lines(tmp_path / 'maps')) == 3
    # it could have changed the maps, so without it they are others
    record = Provenance.read(tmp_path / 'maps' / RECORD)
    path = config(extra=extra)
    code, out, err = make(path, images)
    assert (code, out.count('3 written')) == (0, 1), err
    other = Provenance.read(tmp_path / 'maps' / RECORD)
    assert "'mmcvgssl.CountImages' there" in ''.join(other.differences(record))
    path = config(extra=hooks.format('mmcvgssl.UnfreezeHook'))
    code, _, err = make(path, images)
    assert code == 1
    assert 'custom_hooks.1, UnfreezeHook, acts in trainings' in err


def test_options_of_the_loop_are_those_of_map_cfg(config, tmp_path):
    write_images(tmp_path / 'images', 2)
    options = {'map_cfg.batch_size': 3, 'test_dataloader.num_workers': 0}
    options |= {'test_cfg.fp16': True, 'max_unreadable': 0.3}
    cfg = load_config(config(), options)
    text = cfg.pretty_text
    made, paths = prepare_maps(cfg, tmp_path / 'images', tmp_path / 'maps')
    assert len(paths) == 2
    loop = made.map_cfg
    assert loop.pop('pipeline')[0].type == 'mmcvgssl.LoadImage'
    assert loop == dict(
        type='mmcvgssl.MapLoop',
        root=str(tmp_path / 'images'),
        out=str(tmp_path / 'maps'),
        dtype='float16',
        batch_size=3,
        num_workers=0,
        max_unreadable=0.3,
        fp16=True,
    )
    # neither the config nor its test is changed
    assert cfg.pretty_text == text
    # but for the share of all data sets
    assert made.test_dataloader.dataset.pop('max_unreadable') == 0.3
    assert made.test_dataloader == cfg.test_dataloader
    assert made.test_evaluator == cfg.test_evaluator
    with pytest.raises(KeyError, match=r'map_cfg\.batchsize.*batch_size'):
        load_config(config(), {'map_cfg.batchsize': 3})


def test_an_interrupted_run_goes_on(config, make, tmp_path, monkeypatch):
    write_images(tmp_path / 'images', 6)
    path, folder = config(), tmp_path / 'maps'
    write, count = module.atomic_write, [0]

    def fails(name, data):
        if str(name).endswith('.npy'):
            count[0] += 1
            if count[0] > 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(name, data)

    monkeypatch.setattr(module, 'atomic_write', fails)
    code, _, err = make(path, tmp_path / 'images')
    assert code == 1
    assert 'No space left on device: 3 maps were written' in err
    assert 'run the same command again' in err
    assert len(maps(folder)) == 3
    assert {p.suffix for p in folder.rglob('*') if p.is_file()} <= {
        *('.npy', '.json', '.jsonl', '.safetensors')
    }
    # a line that was cut off
    part = folder / 'manifest.0.jsonl'
    part.write_text(part.read_text() + '{"path": "03.p')
    monkeypatch.setattr(module, 'atomic_write', write)
    code, out, err = make(path, tmp_path / 'images')
    assert code == 0, err
    assert '6 images: 3 maps were there, 3 written' in out
    assert len(lines(folder)) == len(maps(folder)) == 6


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        (['--cfg-options', 'model.coreset_size=19'], 'coreset_size'),
        (['--dtype', 'float32'], 'dtype'),
    ],
)
def test_maps_of_other_settings_are_made_anew_beside_the_old(
    config, tool, make, tmp_path, change, named
):
    write_images(tmp_path / 'images', 3)
    path, folder = config(), tmp_path / 'maps'
    assert make(path, tmp_path / 'images')[0] == 0
    before = {name: (folder / name).read_bytes() for name in maps(folder)}
    torch.manual_seed(0)
    common = [f'experiment_name={uuid.uuid4().hex}', f'input_size={SIDE}']
    if '--cfg-options' not in change:
        change = [*change, '--cfg-options']
    code, out, err = tool(
        *('make_maps.py', path, '--images', tmp_path / 'images', '--out'),
        *(folder, '--work-dir', tmp_path / 'work'),
        *(*change, *common),
    )
    assert code == 0, err
    assert '0 maps were there, 3 written' in out
    assert f'{named}: ' in out + err
    (kept,) = (folder / 'earlier').glob('*/manifest.jsonl')
    assert {n: (kept.parent / n).read_bytes() for n in before} == before
    # and back again: nothing is lost
    code, out, err = make(path, tmp_path / 'images')
    assert '3 maps were there, 0 written' in out
    assert {n: (folder / n).read_bytes() for n in before} == before


def test_the_map_of_a_changed_image_is_made_anew(config, make, tmp_path):
    images = write_images(tmp_path / 'images', 4)
    path, folder = config(), tmp_path / 'maps'
    assert make(path, tmp_path / 'images')[0] == 0
    before = {name: (folder / name).read_bytes() for name in maps(folder)}
    picture(20).save(images[1])
    os.utime(images[2], (1, 1))  # copied, perhaps
    code, out, err = make(path, tmp_path / 'images')
    assert code == 0, err
    assert '3 maps were there, 1 written' in out
    name = images[1].relative_to(tmp_path / 'images').with_suffix('.npy')
    (kept,) = (folder / 'earlier/images').rglob('*.npy')
    assert kept.read_bytes() == before[name.as_posix()]
    assert (folder / name).read_bytes() != kept.read_bytes()
    assert len(lines(folder)) == 4


def test_broken_images_are_left_out(config, make, tmp_path):
    write_images(tmp_path / 'images', 6)
    write_broken(tmp_path / 'images' / 'bad')
    path = config()
    code, _, err = make(path, tmp_path / 'images')
    assert code == 1
    assert 'images cannot be read' in err
    code, out, err = make(
        path, tmp_path / 'images', 'others', '--max-unreadable', '0.5'
    )
    assert code == 0, err
    assert '9 images: 0 maps were there, 6 written' in out
    assert '3 unreadable' in out
    assert len(maps(tmp_path / 'others')) == 6


def test_a_list_names_the_images(config, make, tmp_path):
    write_images(tmp_path / 'images', 4)
    (tmp_path / 'images' / 'some.txt').write_text('00.png\t0\n02.png\n')
    code, _, err = make(config(), tmp_path / 'images' / 'some.txt')
    assert code == 0, err
    assert maps(tmp_path / 'maps') == ['00.npy', '02.npy']
    (tmp_path / 'far.txt').write_text('04.png\n')
    code, _, err = make(config(), tmp_path / 'far.txt', 'other')
    assert code == 1
    assert f'{tmp_path / "far.txt"}: 1 image (04.png) of 1 not in' in err
    assert 'or --root, which its paths are relative to' in err


def test_two_images_cannot_share_a_map(config, make, tmp_path):
    write_images(tmp_path / 'images', 2)
    picture(1).save(tmp_path / 'images' / '00.bmp')
    code, _, err = make(config(), tmp_path / 'images')
    assert code == 1
    assert 'would share the map 00.npy' in err


@pytest.mark.parametrize('what', ['nothing', 'empty'])
def test_no_images(config, make, tmp_path, what):
    (tmp_path / 'empty').mkdir()
    code, _, err = make(config(), tmp_path / what)
    assert code == 1
    assert 'no images' in err or 'found no' in err


def test_a_collection_is_fitted_to_itself(config, make, tmp_path):
    write_images(tmp_path / 'images', 5)
    path = config("type='mmcvgssl.MuSc', references=4")
    code, _, err = make(path, tmp_path / 'images')
    assert code == 0, err
    known = Provenance.read(tmp_path / 'maps' / RECORD)
    assert len(known.files['fit.fit_images']) == 4
    assert len(maps(tmp_path / 'maps')) == 5


def test_a_fitted_state_serves_other_folders(config, make, tmp_path):
    write_images(tmp_path / 'images', 3)
    path = config()
    assert make(path, tmp_path / 'images')[0] == 0
    state = tmp_path / 'maps' / 'fitted.safetensors'
    code, _, err = make(
        *(path, tmp_path / 'images', 'again', '--fitted', state)
    )
    assert code == 0, err
    for name in maps(tmp_path / 'maps'):
        one, two = (np.load(tmp_path / d / name) for d in ('maps', 'again'))
        np.testing.assert_array_equal(one, two)
    code, _, err = make(
        *(path, tmp_path / 'images', 'b', '--fitted', tmp_path / 'no.file')
    )
    assert code == 1
    assert 'no fitted state' in err


def test_two_processes_share_the_images(config, process, tmp_path):
    write_images(tmp_path / 'images', 7)
    write_broken(tmp_path / 'images' / 'bad')
    # random weights differ between processes unless they are seeded alike
    path = config(extra='randomness = dict(seed=0)')
    done = process(
        [
            *(sys.executable, '-m', 'torch.distributed.run'),
            *('--nproc_per_node=2', f'--master_port={free_port()}'),
            *(ROOT / 'tools' / 'make_maps.py', path),
            *('--images', tmp_path / 'images', '--out', tmp_path / 'maps'),
            *('--launcher', 'pytorch', '--work-dir', tmp_path / 'work'),
            *('--cfg-options', 'test_dataloader.batch_size=2'),
            'max_unreadable=0.5',
            f'input_size={SIDE}',
        ]
    )
    assert done.returncode == 0, done.stderr
    shares = re.findall(r'10 images: .* (\d) written, (\d) unr', done.stdout)
    written, unreadable = (sum(map(int, n)) for n in zip(*shares, strict=True))
    assert (len(shares), written, unreadable) == (1, 7, 3)
    # the first process names those of both
    assert '3 images (' in done.stdout + done.stderr
    assert len(lines(tmp_path / 'maps')) == len(maps(tmp_path / 'maps')) == 7
    assert not list((tmp_path / 'maps').glob('manifest.*.jsonl'))


def test_a_fitted_state_keeps_the_range_of_deep_images(config, make, tmp_path):
    for name, high in (('fit', 4000), ('dark', 900)):
        (tmp_path / name).mkdir()
        for i in range(4):
            values = np.asarray(picture(i, 40, 'L')).astype(int)
            values = (values * high // values.max()).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / name / f'{i}.png')
    path = config()
    code, _, err = make(
        path, tmp_path / 'dark', 'one', '--fit', tmp_path / 'fit'
    )
    assert code == 0, err
    state = tmp_path / 'one/fitted.safetensors'
    code, _, err = make(path, tmp_path / 'dark', 'two', '--fitted', state)
    assert code == 0, err
    assert fitted_range(state) == (0, 4095)
    for i in range(4):
        one, two = (
            np.load(tmp_path / f'{out}/{i}.npy') for out in ('one', 'two')
        )
        assert np.array_equal(one, two)


@pytest.mark.parametrize(
    ('damage', 'there'),
    [
        (lambda data: b'', 0),
        (lambda data: data[:-40], 3),
        (lambda data: b'\x00\xff\xfe damaged\n' + data, 4),
        (lambda data: data.replace(b'{', b'[', 1), 3),
    ],
)
def test_what_a_damaged_manifest_does_not_name_is_made_anew(
    config, make, tmp_path, damage, there
):
    path, images = config(), tmp_path / 'images'
    write_images(images, 4)
    assert make(path, images)[0] == 0
    file = tmp_path / 'maps/manifest.jsonl'
    whole = lines(tmp_path / 'maps')
    file.write_bytes(damage(file.read_bytes()))
    code, text, err = make(path, images)
    assert code == 0, err
    assert f'{there} maps were there, {4 - there} written' in text
    assert [line['path'] for line in lines(tmp_path / 'maps')] == [
        line['path'] for line in whole
    ]


def test_an_image_is_no_list_of_images(config, make, tmp_path):
    image = write_images(tmp_path / 'images', 1)[0]
    code, _, err = make(config(), image)
    assert code == 1
    assert 'is an image: expected a folder' in err.splitlines()[-1]


def _other_object(folder):
    np.save(folder / '0.npy', np.array([{}], object), allow_pickle=True)


def _other_image(folder):
    (folder / '0.npy').write_bytes((folder / '1.npy').read_bytes())


def _link(folder):
    (folder / '0.npy').unlink()
    (folder / '0.npy').symlink_to(folder / '1.npy')


def _same_maximum(folder):
    values = np.load(folder / '0.npy')
    np.save(folder / '0.npy', np.full_like(values, values.max()))


@pytest.mark.parametrize(
    'damage',
    [
        lambda folder: (folder / '0.npy').write_bytes(b''),
        lambda folder: os.truncate(folder / '0.npy', 200),
        _other_object,
        _other_image,
        _link,
        _same_maximum,
    ],
)
def test_a_map_that_is_not_as_written_is_made_anew(
    config, make, tmp_path, damage
):
    path, images, folder = config(), tmp_path / 'images', tmp_path / 'maps'
    images.mkdir()
    for i in range(2):
        picture(i).save(images / f'{i}.png')
    assert make(path, images)[0] == 0
    written = (folder / '0.npy').read_bytes()
    damage(folder)
    there = (folder / '0.npy').read_bytes()
    with pytest.raises(MapError, match=r'0\.npy.*mmcvgssl maps'):
        MapFolder(folder).load_map('0.png')
    code, text, err = make(path, images)
    assert code == 0, err
    assert '1 maps were there, 1 written' in text
    assert '1 map (0.png) not as written' in err + text
    assert (folder / '0.npy').read_bytes() == written
    assert not (folder / '0.npy').is_symlink()
    (kept,) = (folder / 'earlier/images').glob('0-*.npy')
    assert kept.read_bytes() == there


@pytest.mark.parametrize('name', ['../good.npy', '/good.npy', 5, None, ''])
def test_a_manifest_moves_nothing_out_of_its_folder(tmp_path, name):
    folder = tmp_path / 'maps'
    folder.mkdir()
    write_images(tmp_path / 'images', 1)
    (tmp_path / 'good.npy').write_bytes(b'mine')
    line = {'path': '00.png', 'map': name, 'file': [1, 1, 1, 'x']}
    (folder / 'manifest.jsonl').write_text(json.dumps(line) + '\n')
    found = module.set_changed_aside(folder, tmp_path / 'images', ['00.png'])
    assert found == module.set_damaged_aside(folder) == []
    assert (tmp_path / 'good.npy').read_bytes() == b'mine'
