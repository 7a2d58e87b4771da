"""From images to a detector in one command: plans, kills and reruns."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmcvgssl.apis import load_config
from mmcvgssl.datasets.coco_check import AnnotationError
from mmcvgssl.datasets.preparation import stratified_split
from mmcvgssl.locks import FolderInUseError
from mmcvgssl.pipeline import Pipeline, StageError, read_inputs
from mmcvgssl.pipeline.child import run_child
from mmcvgssl.pipeline.inputs import Inputs
from mmcvgssl.pipeline.pictures import draw_detections
from mmcvgssl.pipeline.plan import (
    DEPENDS,
    DONE,
    GO_ON,
    LEFT_OUT,
    RUN,
    UP_TO_DATE,
)
from mmcvgssl.pipeline.report import _said
from mmcvgssl.pipeline.stage import (
    build_config,
    find_config,
    read_stages,
)
from mmcvgssl.runner.image_reading import reading_of_test
from mmcvgssl.user_errors import user_errors
from tests.data import CONFIGS, ROOT, picture

RECIPES = sorted((CONFIGS / 'pipelines').glob('*.py'))
CPU = CONFIGS / 'pipelines/agssp_yolov8_n_cpu.py'
SIDE = 64
STAGES = ['maps', 'boxes', 'agbp', 'agdp', 'finetune', 'test']
# as short as it gets
TINY = """
_base_ = {base!r}
loader = {{
    'train_dataloader.batch_size': 4,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
}}
stages = dict(
    maps=dict(
        options={{
            'input_size': 32,
            'fit_dataloader.num_workers': 0,
            'test_dataloader.num_workers': 0,
        }}
    ),
    boxes=dict(arguments=dict(margin=0.0, min_area=4)),
    agbp=dict(
        options={{
            'train_cfg.max_epochs': 3,
            'default_hooks.checkpoint.interval': 1,
            'default_hooks.logger.interval': 1,
            'train_pipeline.2.transforms.1.crop_size': 64,
            **loader,
        }}
    ),
    agdp=dict(options={{'train_cfg.max_epochs': 1, **loader}}),
    finetune=dict(
        options={{
            'train_cfg.max_epochs': 1,
            'test_dataloader.num_workers': 0,
            'test_dataloader.persistent_workers': False,
            **loader,
        }}
    ),
)
"""


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Write 24 images with a bright square each, and labels of eight."""
    root = tmp_path_factory.mktemp('surface')
    content = {'images': [], 'annotations': [], 'categories': []}
    for i in range(24):
        image = np.asarray(picture(3 * i, SIDE)).copy()
        x = 8 + i
        image[16:32, x : x + 18] = 250
        folder = root / ('b' if i % 2 else 'a')
        folder.mkdir(exist_ok=True)
        name = f'{folder.name}/{i:02}.png'
        cv2.imwrite(str(root / name), image)
        if i >= 16:
            content['images'].append(
                {'id': i, 'file_name': name, 'width': SIDE, 'height': SIDE}
            )
            content['annotations'].append(
                {
                    'id': i,
                    'image_id': i,
                    'category_id': 5 + i % 2,
                    'bbox': [x, 16, 18, 16],
                    'area': 288,
                    'iscrowd': 0,
                }
            )
    content['categories'] = [
        {'id': 5, 'name': 'even'},
        {'id': 6, 'name': 'odd'},
    ]
    (root / 'labels.json').write_text(json.dumps(content))
    return root


@pytest.fixture
def tiny(tmp_path):
    """Write a config of a tiny pipeline."""
    path = tmp_path / 'tiny.py'
    path.write_text(TINY.format(base=str(CPU)))
    return path


def labelled(images):
    return read_inputs(images, images / 'labels.json')


def states(pipeline) -> dict[str, str]:
    return {name: planned.state for name, planned in pipeline.plan.items()}


def finish(pipeline, *names) -> None:
    """Pretend that stages have run."""
    for name in names:
        planned = pipeline.plan[name]
        planned.folder.mkdir(parents=True)
        (planned.folder / DONE).write_text('{"seconds": 1}')
        planned.depends.write(planned.folder / DEPENDS)
        if planned.stage.tool == 'train':
            last = planned.folder / 'epoch_1.pth'
            torch.save({}, last)
            (planned.folder / 'last_checkpoint').write_text(str(last))


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_shipped_pipelines_are_complete(path, images, tmp_path):
    cfg = load_config(path)
    for name in ('agbp', 'finetune'):
        batch = {'train_dataloader.batch_size': 2}
        cfg.stages[name].options.update(batch)
    pipeline = Pipeline(cfg, labelled(images), tmp_path)
    assert list(pipeline.plan)[: len(STAGES)] == STAGES
    assert {*states(pipeline).values()} == {RUN}
    for stage in read_stages(cfg).values():
        if stage.tool in ('make_maps', 'train'):
            assert find_config(stage.config).is_file()
            part = build_config(stage.config, stage.options)
            data_set = part.get('train_dataloader', {}).get('dataset', {})
            assert not data_set.get('with_label')


def test_test_images_are_kept_out_of_all_training(images):
    inputs = labelled(images)
    tested = {image['file_name'] for image in inputs.test['images']}
    trained = {image['file_name'] for image in inputs.train['images']}
    assert len(tested) == len(trained) == inputs.left_out == 4
    assert not tested & (trained | set(inputs.images))
    assert len(inputs.images) == 20
    assert inputs.classes == ('even', 'odd')
    # two of each category on both sides
    for part in (inputs.train, inputs.test):
        found = [box['category_id'] for box in part['annotations']]
        assert sorted(found) == [5, 5, 6, 6]
    again = labelled(images).provenance()
    for name, known in inputs.provenance().items():
        assert again[name].digest == known.digest


def test_copies_are_on_one_side(images, tmp_path):
    root = tmp_path / 'images'
    shutil.copytree(images, root)
    content = json.loads((root / 'labels.json').read_text())
    for box, image in zip(
        content['annotations'][::2], content['images'][::2], strict=True
    ):
        key, name = image['id'] + 100, f'a/copy_{image["id"]}.png'
        shutil.copy(root / image['file_name'], root / name)
        content['images'].append({**image, 'id': key, 'file_name': name})
        content['annotations'].append({**box, 'id': key, 'image_id': key})
    (root / 'labels.json').write_text(json.dumps(content))
    strata = [box['category_id'] for box in content['annotations']]
    test = {*stratified_split(strata, 0.5, 0)[1]}
    # the draw alone parts some of them
    assert any((2 * i in test) != (8 + i in test) for i in range(4))
    inputs = read_inputs(root, root / 'labels.json')
    sides = [
        {(root / i['file_name']).read_bytes() for i in part['images']}
        for part in (inputs.train, inputs.test)
    ]
    assert not sides[0] & sides[1]
    assert len(inputs.train['images']) + len(inputs.test['images']) == 12
    half = {**content, 'images': content['images'][8:]}
    half['annotations'] = content['annotations'][8:]
    (tmp_path / 'test.json').write_text(json.dumps(half))
    with pytest.raises(ValueError, match=r'images \(a/16\.png, .* of 12'):
        read_inputs(root, root / 'labels.json', tmp_path / 'test.json')


def test_paths_are_compared_however_they_are_spelled(images, tmp_path):
    content = json.loads((images / 'labels.json').read_text())
    content['images'][0]['file_name'] = (
        f'./{content["images"][0]["file_name"]}'
    )
    content['images'][1]['file_name'] = str(
        images / content['images'][1]['file_name']
    )
    other = tmp_path / 'labels.json'
    other.write_text(json.dumps(content))
    inputs = read_inputs(images, other)
    assert inputs.files() == labelled(images).files()
    listed = tmp_path / 'images.txt'
    listed.write_text(''.join(f'./{path}\n' for path in inputs.images))
    assert read_inputs(listed, root=images).images == inputs.images


def test_options_do_not_undo_each_other(images, tmp_path):
    options = {
        'stages.finetune.options.train_dataloader.batch_size': 3,
        'stages.agbp.options.train_dataloader.batch_size': 4,
    }
    pipeline = Pipeline(load_config(CPU, options), labelled(images), tmp_path)
    stage = pipeline.stages['finetune']
    train = build_config(stage.config, stage.options).train_dataloader
    assert train.batch_size == 3
    assert train.dataset.data_root == '{root}'
    assert train.dataset.ann_file == '{labels_train}'
    # a whole part can still be replaced
    other = dict(_delete_=True, type='OptimWrapper', optimizer=dict(lr=1))
    options = {'stages.finetune.options.optim_wrapper': other}
    stage = read_stages(load_config(CPU, options))['finetune']
    cfg = build_config(stage.config, stage.options)
    assert cfg.optim_wrapper.optimizer == dict(lr=1)


def test_a_batch_larger_than_the_data_is_refused_at_once(images, tmp_path):
    key = 'stages.agbp.options.train_dataloader.batch_size'
    cfg = load_config(CPU, {key: 4})
    with pytest.raises(ValueError, match='stage finetune takes batches of 16'):
        Pipeline(cfg, labelled(images), tmp_path)
    Pipeline(cfg, read_inputs(images), tmp_path)
    with pytest.raises(ValueError, match=f'{key}=12'):
        Pipeline(load_config(CPU), read_inputs(images), tmp_path, 2)


def test_own_pictures_are_no_inputs(images, tmp_path):
    root = tmp_path / 'root'
    shutil.copytree(images, root)
    shutil.copytree(images / 'a', root / 'work/boxes/preview')
    assert len(read_inputs(root).images) == 36
    assert len(read_inputs(root, skip=root / 'work').images) == 24
    with pytest.raises(ValueError, match='no images'):
        read_inputs(root / 'work', skip=root)


def test_a_change_touches_what_follows_alone(images, tiny, tmp_path):
    inputs, work_dir = labelled(images), tmp_path / 'work'
    first = Pipeline(load_config(tiny), inputs, work_dir)
    finish(first, *STAGES)
    assert set(states(first).values()) == {UP_TO_DATE}

    def changed(key, value):
        cfg = load_config(tiny)
        cfg.stages[key.split('.')[0]].options[key.split('.', 1)[1]] = value
        return states(Pipeline(cfg, inputs, work_dir))

    found = changed('agdp.train_cfg.max_epochs', 2)
    assert [found[name] for name in STAGES] == [UP_TO_DATE] * 3 + [RUN] * 3
    found = changed('agbp.train_cfg.max_epochs', 9)
    kept = [name for name in STAGES if found[name] == UP_TO_DATE]
    assert kept == ['maps', 'boxes']
    found = changed('maps.input_size', 64)
    assert set(found.values()) == {RUN}
    cfg = load_config(tiny)
    cfg.stages.maps.options['input_size'] = 64
    page = Pipeline(cfg, inputs, work_dir).describe()
    assert 'LoadImage.input_size: 32 there, 64 here' in page
    # and back again: nothing is lost
    again = Pipeline(load_config(tiny), inputs, work_dir)
    assert set(states(again).values()) == {UP_TO_DATE}
    first.plan['agdp'].folder.joinpath(DONE).unlink()
    assert states(first)['agdp'] == GO_ON


def test_a_changed_image_or_label_is_noticed(images, tiny, tmp_path):
    cfg = load_config(tiny)
    pipeline = Pipeline(cfg, labelled(images), tmp_path / 'work')
    finish(pipeline, *STAGES)
    content = json.loads((images / 'labels.json').read_text())
    content['annotations'][0]['bbox'][2] += 1
    other = tmp_path / 'labels.json'
    other.write_text(json.dumps(content))
    inputs = read_inputs(images, other, root=images)
    found = states(Pipeline(cfg, inputs, tmp_path / 'work'))
    assert [found[name] for name in STAGES[:4]] == [UP_TO_DATE] * 4
    assert found['test'] == RUN  # of the box itself, or of what learned it
    # what is tested on does not touch what is learned
    for name in ('16', '17', '18', '19', '20', '21', '22', '23'):
        path = f'{"ab"[int(name) % 2]}/{name}.png'
        data = (images / path).read_bytes()
        (images / path).write_bytes(data + b' ')
        again = Pipeline(cfg, labelled(images), tmp_path / 'work')
        (images / path).write_bytes(data)
        found = states(again)
        tested = [i['file_name'] for i in again.inputs.test['images']]
        changed = STAGES[-1:] if path in tested else STAGES
        assert [n for n in STAGES if found[n] == RUN] == changed
    cfg.stages.finetune.options['test_dataloader.batch_size'] = 3
    found = states(Pipeline(cfg, labelled(images), tmp_path / 'work'))
    assert [n for n in STAGES if found[n] == RUN] == ['test']
    del cfg.stages.finetune.options['test_dataloader.batch_size']
    os.utime(images / 'a/00.png', (1, 1))  # copied, perhaps
    found = states(Pipeline(cfg, labelled(images), tmp_path / 'work'))
    assert set(found.values()) == {UP_TO_DATE}
    data = (images / 'a/00.png').read_bytes()
    (images / 'a/00.png').write_bytes(data[:-1] + b' ')
    again = Pipeline(cfg, labelled(images), tmp_path / 'work')
    (images / 'a/00.png').write_bytes(data)
    assert set(states(again).values()) == {RUN}


def test_images_that_a_config_names_are_noticed(images, tmp_path):
    """In a folder below the images, and in one of two data sets."""
    root, extra = tmp_path / 'images', tmp_path / 'extra'
    shutil.copytree(images, root)
    shutil.copytree(images / 'a', extra)
    surface = dict(type='mmcvgssl.SurfaceImages', pipeline=[])
    both = dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(surface, data_root=str(extra)),
            dict(surface, data_root='{root}', ann_file='{images}'),
        ],
    )
    key = 'train_dataloader.dataset'
    cfg = Config(
        dict(
            stages=dict(
                maps=dict(
                    tool='make_maps',
                    config='mmcvgssl::anomaly/patchcore/'
                    'patchcore_lite0_folder.py',
                    options={'fit_dataloader.dataset.data_root': '{root}/a'},
                ),
                pre=dict(
                    tool='train',
                    config='mmcvgssl::pretrain/cvgssl/'
                    'cvgssl-regress_resnet18_lite0_1xb64-400e_folder.py',
                    options={key: both, 'train_dataloader.batch_size': 4},
                ),
            )
        )
    )
    listed = tmp_path / 'images.txt'
    listed.write_text(''.join(f'b/{i:02}.png\n' for i in range(1, 24, 2)))

    def keys() -> list[str]:
        inputs = read_inputs(listed, root=root)
        plan = Pipeline(cfg, inputs, tmp_path / 'work').plan
        return [plan[name].key for name in ('maps', 'pre')]

    first = keys()
    shutil.copy(extra / '02.png', extra / '00.png')
    second = keys()
    assert (second[0] == first[0], second[1] == first[1]) == (True, False)
    shutil.copy(root / 'a/02.png', root / 'a/00.png')
    third = keys()
    assert (third[0] == second[0], third[1] == second[1]) == (False, True)


def test_another_run_waits_for_its_turn(images, tmp_path, monkeypatch):
    """Two runs in one folder would read each other's lists."""
    cfg = Config(dict(stages=dict(parts=dict(tool='folds', arguments={}))))
    first, other = (
        Pipeline(
            cfg,
            read_inputs(images, images / 'labels.json', seed=seed),
            tmp_path / 'work',
        )
        for seed in (0, 1)
    )
    do = sys.modules['mmcvgssl.pipeline.run']._do

    def meanwhile(call, handles):
        with pytest.raises(FolderInUseError, match='by another run'):
            other.run()
        return do(call, handles)

    monkeypatch.setattr('mmcvgssl.pipeline.run._do', meanwhile)
    first.run()
    monkeypatch.undo()
    other.run()


def test_without_labels_the_detector_is_pretrained_alone(
    images, tiny, tmp_path
):
    pipeline = Pipeline(load_config(tiny), read_inputs(images), tmp_path)
    found = states(pipeline)
    assert [found[name] for name in STAGES] == [RUN] * 4 + [LEFT_OUT] * 2
    assert 'finetune: left out (no labels)' in pipeline.describe()


def test_a_work_dir_can_be_moved(images, tiny, tmp_path):
    cfg, inputs = load_config(tiny), labelled(images)
    finish(Pipeline(cfg, inputs, tmp_path / 'old'), *STAGES)
    (tmp_path / 'old').rename(tmp_path / 'new')
    pipeline = Pipeline(cfg, inputs, tmp_path / 'new')
    assert set(states(pipeline).values()) == {UP_TO_DATE}
    found = pipeline.plan['agbp'].output
    assert found == str(pipeline.plan['agbp'].folder / 'epoch_1.pth')
    (pipeline.plan['agbp'].folder / 'epoch_1.pth').unlink()
    with pytest.raises(FileNotFoundError, match='no checkpoint any more'):
        pipeline.describe()


def test_stages_are_chosen(images, tiny, tmp_path):
    pipeline = Pipeline(load_config(tiny), labelled(images), tmp_path / 'w')
    assert pipeline.choose() == STAGES
    assert pipeline.choose(only='maps') == ['maps']
    with pytest.raises(ValueError, match='no stage'):
        pipeline.choose(only='map')
    with pytest.raises(StageError, match='stage agbp needs maps'):
        pipeline.choose(first='agbp')
    finish(pipeline, 'maps', 'boxes')
    assert pipeline.choose(first='agbp') == STAGES[2:]
    assert pipeline.choose(only='agbp') == ['agbp']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(boxes=dict(config='mapz')), 'asks for mapz'),
        (dict(boxes=dict(tool='boxes')), 'tool is one of'),
        (dict(boxes=dict(maps='maps')), 'unexpected keyword'),
        (
            dict(test=dict(config='maps')),
            r'earlier stage of train \(agbp, agdp, finetune\), got .maps',
        ),
        (dict(test=dict(config='labels_train')), 'earlier stage of train'),
        (dict(boxes=dict(config='images')), r'of make_maps \(maps\), got'),
        (
            dict(test=dict(options={'test_evaluator.outfile_prefix': 'x'})),
            r'stage test sets test_evaluator\.outfile_prefix',
        ),
        (
            dict(
                finetune=dict(
                    options={'test_evaluator': {'outfile_prefix': 'x'}}
                )
            ),
            r'stage finetune sets test_evaluator\.outfile_prefix',
        ),
    ],
)
def test_a_malformed_pipeline_is_refused(tiny, change, message):
    cfg = load_config(tiny)
    for name, values in change.items():
        cfg.stages[name].update(values)
    with pytest.raises(ValueError, match=message):
        read_stages(cfg)
    with pytest.raises(ValueError, match='describes no pipeline'):
        read_stages(load_config(CONFIGS / '_base_/default_runtime.py'))


def test_bad_inputs_are_refused(images, tmp_path):
    labels = images / 'labels.json'
    with pytest.raises(ValueError, match='need labels to train on'):
        read_inputs(images, None, labels)
    with pytest.raises(ValueError, match=r'8 images .* are tested on'):
        read_inputs(images, labels, labels)
    content = json.loads(labels.read_text())
    content['categories'].reverse()
    other = tmp_path / 'other.json'
    other.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='expected the same categories'):
        read_inputs(images, labels, other)
    with pytest.raises(FileNotFoundError):
        read_inputs(tmp_path / 'none', labels)


def test_good_images_alone_are_tested_on(images, tmp_path):
    content = json.loads((images / 'labels.json').read_text())
    test = {**content, 'images': content['images'][4:], 'annotations': []}
    ids = {image['id'] for image in test['images']}
    train = {
        **content,
        'images': content['images'][:4],
        'annotations': [
            a for a in content['annotations'] if a['image_id'] not in ids
        ],
    }
    for name, part in (('train', train), ('test', test)):
        (tmp_path / f'{name}.json').write_text(json.dumps(part))
    inputs = read_inputs(
        images, tmp_path / 'train.json', tmp_path / 'test.json'
    )
    assert inputs.test['annotations'] == []
    with pytest.raises(AnnotationError, match='nothing from good images'):
        read_inputs(images, tmp_path / 'test.json', tmp_path / 'train.json')

    found = tmp_path / 'found.json'
    box = {'image_id': 20, 'category_id': 0, 'bbox': [1, 2, 9, 9]}
    found.write_text(json.dumps([{**box, 'score': 0.9}]))
    sheet = np.frombuffer(draw_detections(found, inputs, {}), np.uint8)
    assert cv2.imdecode(sheet, cv2.IMREAD_COLOR) is not None
    metrics = {
        'coco/bbox_mAP': -1.0,
        'false_alarms/good_images': 4.0,
        'false_alarms/images_0.3': 0.25,
    }
    logged = 'boxes of score 0.3 or more on 25% of 4 good images'
    assert _said({'metrics': metrics}) == logged


def test_pictures_are_as_bright_as_what_the_test_reads(tmp_path):
    """A dark deep image stays dark beside a bright one."""
    names = ['dark.png', 'bright.png']
    for name, value in zip(names, (300, 4000), strict=True):
        deep = np.full((SIDE, SIDE), value, np.uint16)
        cv2.imwrite(str(tmp_path / name), deep)
    content = [
        dict(id=i, file_name=name, width=SIDE, height=SIDE)
        for i, name in enumerate(names)
    ]
    categories = [dict(id=1, name='a')]
    test = dict(images=content, annotations=[], categories=categories)
    inputs = Inputs(tmp_path, names, train=test, test=test)
    (tmp_path / 'found.json').write_text('[]')
    load = dict(type='mmcvgssl.LoadImage', depth_range=(0, 4095), page=0)
    loader = dict(dataset=dict(dataset=dict(pipeline=[load])))
    reading = reading_of_test(Config(dict(test_dataloader=loader)))
    assert reading == dict(depth_range=(0, 4095), page=0, max_pixels=None)
    made = draw_detections(tmp_path / 'found.json', inputs, reading)
    sheet = cv2.imdecode(np.frombuffer(made, np.uint8), cv2.IMREAD_COLOR)
    # two pictures of each image in a row
    for i, value in enumerate((300, 4000)):
        cell = sheet[:320, 640 * i : 640 * (i + 1)]
        assert abs(cell.mean() - value / 4095 * 255) < 2


def test_killed_resumed_and_rerun(images, tiny, tmp_path, process):
    work_dir = tmp_path / 'work'
    root = tmp_path / 'images'
    shutil.copytree(images, root)
    (root / 'a/02.png').write_bytes(b'broken')  # costs this image alone
    images = root
    command = [
        *(sys.executable, ROOT / 'tools/pipeline.py', tiny),
        *('--images', images, '--labels', images / 'labels.json'),
        *('--work-dir', work_dir),
    ]
    running = subprocess.Popen(
        [str(part) for part in command],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)},
    )
    deadline = time.monotonic() + 200
    # written after the checkpoint that it names
    while not any(p.read_text() for p in work_dir.glob('agbp-*/last_*')):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    (agbp,) = work_dir.glob('agbp-*')
    assert not (agbp / DONE).exists()
    before = {
        path: path.stat().st_mtime_ns
        for name in ('maps', 'boxes')
        for path in work_dir.glob(f'{name}-*/{DONE}')
    }
    assert len(before) == 2

    done = process([*command, '--json'])
    assert done.returncode == 0, done.stdout + done.stderr
    # what has been made, not what was planned
    made = json.loads(done.stdout)
    assert [each['stage'] for each in made['stages']] == STAGES
    for each in made['stages']:
        assert each['state'] == UP_TO_DATE
        assert os.path.exists(each['output'])
    assert '[1/6] maps: up to date' in done.stderr
    assert '[3/6] agbp: go on' in done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}
    logs = ''.join(p.read_text() for p in agbp.glob('*/*.log'))
    assert 'resumed epoch: ' in logs
    summary = json.loads((work_dir / 'summary.json').read_text())
    assert list(summary['stages']) == STAGES
    metrics = summary['stages']['test']['metrics']
    assert 0 <= metrics['coco/bbox_mAP_50'] <= 1
    assert summary['labels'] == {'train': 4, 'test': 4}
    page = (work_dir / 'report.md').read_text()
    for name in ('boxes.jpg', 'test.jpg', 'losses.png'):
        assert f'pictures/{name}' in page
        assert cv2.imread(str(work_dir / 'pictures' / name)) is not None
    # the detector has the labels' classes
    (folder,) = work_dir.glob('finetune-*')
    text = (folder / 'config.py').read_text()
    assert "'even'" in text
    assert 'num_classes=2' in text

    again = process([*command, '--dry-run'])
    assert again.returncode == 0, again.stderr
    assert again.stdout.count('up to date') == 6


_STAGE = """
import os, signal, sys, time
def end(number, frame):
    time.sleep(0.5)
    open(sys.argv[1], 'w').write('put aside')
    sys.exit(3)
signal.signal(signal.SIGTERM, end)
os.kill(os.getppid(), getattr(signal, sys.argv[2]))
if sys.argv[2] == 'SIGINT':  # as a terminal does
    end(None, None)
time.sleep(30)
"""


@pytest.mark.parametrize(
    ('number', 'error'),
    [('SIGTERM', SystemExit), ('SIGINT', KeyboardInterrupt)],
)
def test_a_stage_ends_in_its_own_time_when_all_is_stopped(
    tmp_path, number, error
):
    file = tmp_path / 'aside'
    words = [sys.executable, '-c', _STAGE, str(file), number]
    with pytest.raises(error), user_errors():
        run_child(words, ())
    assert file.read_text() == 'put aside'
    assert run_child([sys.executable, '-c', 'exit(5)'], ()) == 5
