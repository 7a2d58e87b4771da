"""What is said to be learned from is what the built data set hands out."""

import inspect
import json
import re

import mmyolo.models  # noqa: F401  (registers assigners)
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import (
    DATASETS,
    TASK_UTILS,
    DefaultScope,
    init_default_scope,
)
from mmengine.structures import InstanceData

from mmcvgssl.apis import load_config
from mmcvgssl.datasets.coco_check import AnnotationError
from mmcvgssl.datasets.coco_seen import (
    BACKGROUND,
    DIFFERENT,
    REGIONS,
    UNCOUNTED,
)
from mmcvgssl.datasets.preparation import check_boxes
from mmcvgssl.runner.annotations import check_annotations
from mmcvgssl.runner.crowds import use_of_crowds
from tests.boxes import write_boxes
from tests.data import CONFIGS, picture

SMALL = (
    'images with a side smaller than 32 pixels (filter_cfg.min_size=1 of the '
    'data set includes them)'
)
EMPTY = (
    'images without a box (filter_cfg.filter_empty_gt=False of the data set '
    'includes them)'
)
HOST = {'filter_empty_gt': True, 'min_size': 32}
KEEP = {'filter_empty_gt': False, 'min_size': 1}


def thin(content):
    for image in content['images'][:4]:
        image['height'] = 24
    for entry in content['annotations'][:4]:
        entry.update(bbox=[8, 2, 20, 20])


def empty(content):
    del content['annotations'][2:]


def crowds(content):
    content['annotations'][1]['iscrowd'] = 1
    content['annotations'][3].update(ignore=1)


def crowd_and_box(content):
    """A crowd beside a box, one alone, and a box to be ignored."""
    boxes = content['annotations']
    boxes.append({**boxes[1], 'id': 9, 'bbox': [80, 80, 40, 40]})
    boxes[1]['iscrowd'] = boxes[2]['iscrowd'] = 1
    boxes[3]['ignore'] = 1


def subset(content):
    pass


TABLE = [
    (thin, {}, HOST, (2, 0, 2), {SMALL: ['0', '1', '2', '3']}),
    (thin, {}, KEEP, (6, 0, 6), {}),
    (thin, {}, None, (6, 0, 6), {}),
    (empty, {}, HOST, (2, 0, 2), {EMPTY: ['2', '3', '4', '5']}),
    (empty, {}, KEEP, (6, 4, 2), {}),
    (empty, {'test_mode': True}, HOST, (6, 4, 2), {}),
    (
        crowds,
        {},
        HOST,
        (6, 2, 4),
        {
            'crowds (iscrowd=1), learned as background': ['1'],
            'boxes with ignore=1, learned as background': ['3'],
        },
    ),
    (
        subset,
        {'indices': 4},
        HOST,
        (4, 0, 4),
        {'images that indices of the data set leaves out': ['4', '5']},
    ),
]


@pytest.fixture
def good(tmp_path):
    for i in range(6):
        picture(i, 128).save(tmp_path / f'{i}.png')
    return write_boxes(tmp_path / 'boxes.json', ('dent', 'chip'))


def change(file, edit) -> None:
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def config(root, kind, filters, **more) -> Config:
    data_set = dict(
        type=kind,
        data_root=str(root),
        ann_file='boxes.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=('dent', 'chip')),
        filter_cfg=filters,
        **more,
    )
    scope = 'mmyolo' if 'YOLO' in kind else 'mmdet'
    return Config(
        dict(
            default_scope=scope,
            train_dataloader=dict(dataset=data_set),
            check_images='names',
        )
    )


@pytest.mark.parametrize('kind', ['mmdet.CocoDataset', 'YOLOv5CocoDataset'])
@pytest.mark.parametrize(('edit', 'more', 'filters', 'counts', 'left'), TABLE)
def test_counts_are_those_of_the_built_data_set(
    good, tmp_path, kind, edit, more, filters, counts, left
):
    change(good, edit)
    cfg = config(tmp_path, kind, filters, **more)
    report = check_annotations(cfg)
    logged = '\n'.join(line for _, line in report.lines)
    images, without, boxes = counts
    assert (
        f'{images} images ({without} without a box, {boxes} boxes)' in logged
    )
    for reason, names in left.items():
        first = ', '.join(f'{name}.png' for name in names[:3])
        assert f'{reason}: {len(names)} ({first}' in logged
    assert ('left out: nothing' in logged) == (not left)

    init_default_scope(cfg.default_scope)
    built = DATASETS.build({**cfg.train_dataloader.dataset, 'pipeline': []})
    infos = [built.get_data_info(i) for i in range(len(built))]
    used = [
        sum(not box['ignore_flag'] for box in info['instances'])
        for info in infos
    ]
    assert (len(infos), used.count(0), sum(used)) == counts


def test_a_data_set_that_leaves_out_every_box_is_refused(good, tmp_path):
    def all_thin(content):
        for image in content['images']:
            image['height'] = 24
        for entry in content['annotations']:
            entry.update(bbox=[8, 2, 20, 20])

    change(good, all_thin)
    with pytest.raises(AnnotationError, match='reads none: '):
        check_annotations(config(tmp_path, 'mmdet.CocoDataset', HOST))
    check_annotations(config(tmp_path, 'mmdet.CocoDataset', KEEP))


def test_good_images_beside_others_are_learned_from(good, tmp_path):
    cfg = config(tmp_path, 'mmdet.CocoDataset', KEEP)
    inner = cfg.train_dataloader.dataset.to_dict()
    (tmp_path / 'good.json').write_text(
        json.dumps({**json.loads(good.read_text()), 'annotations': []})
    )
    alone = {**inner, 'ann_file': 'good.json'}
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[inner, alone]
    )
    logged = [line for _, line in check_annotations(cfg).lines]
    assert any('6 images (6 without a box, 0 boxes)' in t for t in logged)
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[alone, alone]
    )
    with pytest.raises(AnnotationError, match='expected boxes to learn from'):
        check_annotations(cfg)


@pytest.mark.parametrize(
    ('scale', 'refused'), [((256, 256), True), ((1333, 800), False)]
)
def test_an_image_that_resizing_would_lose_is_refused(
    good, tmp_path, scale, refused
):
    def stripe(content):
        content['images'][0].update(width=600, height=1)
        content['annotations'][0].update(bbox=[8, 0, 20, 1])

    change(good, stripe)
    cfg = config(tmp_path, 'mmdet.CocoDataset', KEEP)
    cfg.train_dataloader.dataset.pipeline = [dict(type='Resize', scale=scale)]
    if refused:
        with pytest.raises(AnnotationError, match=r'1 image \(0.png, 600 x 1'):
            check_annotations(cfg)
    else:
        check_annotations(cfg)


ASSIGNERS = {
    'none': {},
    'hungarian': dict(train_cfg=dict(assigner=dict(type='Hungarian'))),
    'off': dict(
        train_cfg=dict(
            rpn=dict(assigner=dict(ignore_iof_thr=0.5)),
            rcnn=dict(assigner=dict(ignore_iof_thr=-1)),
        )
    ),
    'on': dict(
        train_cfg=dict(
            rpn=dict(assigner=dict(ignore_iof_thr=0.5)),
            rcnn=dict(assigner=dict(ignore_iof_thr=0.5)),
        )
    ),
    'cascade': dict(
        train_cfg=dict(rcnn=[dict(assigner=dict(ignore_iof_thr=0.5))] * 3)
    ),
    'some of several': dict(
        train_cfg=dict(
            assigner=[dict(ignore_iof_thr=0.5), dict(type='ATSSAssigner')]
        )
    ),
    'head': dict(bbox_head=dict(ignore_iof_thr=0.5)),
}


@pytest.mark.parametrize(
    ('model', 'kind', 'loader', 'kept'),
    [
        ('none', 'mmdet.CocoDataset', 'LoadAnnotations', False),
        ('hungarian', 'mmdet.CocoDataset', 'LoadAnnotations', False),
        ('off', 'mmdet.CocoDataset', 'LoadAnnotations', False),
        ('on', 'mmdet.CocoDataset', 'LoadAnnotations', True),
        ('on', 'mmdet.CocoDataset', 'mmyolo.LoadAnnotations', False),
        ('cascade', 'mmdet.CocoDataset', 'mmdet.LoadAnnotations', True),
        ('some of several', 'mmdet.CocoDataset', 'LoadAnnotations', False),
        ('head', 'YOLOv5CocoDataset', 'LoadAnnotations', False),
        ('head', 'YOLOv5CocoDataset', 'mmdet.LoadAnnotations', True),
    ],
)
def test_what_becomes_of_crowds_is_said(
    good, tmp_path, model, kind, loader, kept
):
    change(good, crowd_and_box)
    cfg = config(tmp_path, kind, HOST, pipeline=[dict(type=loader)])
    cfg.model = ASSIGNERS[model]
    logged = '\n'.join(line for _, line in check_annotations(cfg).lines)
    if kept:
        assert f'crowds (iscrowd=1), {REGIONS}: 1 (1.png)' in logged
        assert f'crowds (iscrowd=1), {BACKGROUND}: 1 (2.png)' in logged
    else:
        assert f'crowds (iscrowd=1), {BACKGROUND}: 2 (1.png, 2.png)' in logged
    assert f'ignore=1, {BACKGROUND}: 1 (3.png)' in logged
    assert 'repair --fixes crowds' in logged
    assert 'learned as good: 2 images (2.png, 3.png)' in logged


def recipes(kind):
    """Find a recipe of each detector of a kind."""
    found = sorted((CONFIGS / f'detection/{kind}').glob('*.py'))
    names = {re.sub(r'_\d+xb.*', '', path.stem): path for path in found}
    return list(names.values())


@pytest.mark.parametrize(
    ('path', 'use'),
    [
        *((p, REGIONS) for p in recipes('faster_rcnn')),
        *((p, BACKGROUND) for p in recipes('rtmdet')),
        *((p, BACKGROUND) for p in recipes('yolov8')),
        *((p, BACKGROUND) for p in recipes('dino')),
    ],
    ids=lambda value: getattr(value, 'stem', ''),
)
def test_what_is_said_of_crowds_is_so(path, use, tmp_path, good):
    """By the recipe's own loader and assigners."""
    cfg = load_config(path)
    pipeline, scope = cfg.train_dataloader.dataset.pipeline, cfg.default_scope
    assert use_of_crowds(cfg.model, pipeline, scope) == use
    change(good, crowd_and_box)
    loader = next(s for s in pipeline if 'LoadAnnotations' in s.type)
    with DefaultScope.overwrite_default_scope(scope):
        data_set = DATASETS.build(
            dict(
                type='mmdet.CocoDataset',
                ann_file=str(good),
                data_prefix=dict(img=str(tmp_path)),
                metainfo=dict(classes=('dent', 'chip')),
                pipeline=[
                    dict(type='mmcvgssl.LoadImage'),
                    loader,
                    dict(type='mmdet.PackDetInputs'),
                ],
            )
        )
        crowds = {
            1: torch.tensor([[16.0, 20.0, 64.0, 60.0]]),
            2: torch.tensor([[24.0, 20.0, 72.0, 60.0]]),
        }
        found = {
            key: assigned(cfg.model, data_set[key]['data_samples'], box)
            for key, box in crowds.items()
        }
    assert found == {1: -1 if use == REGIONS else 0, 2: 0}


def assigned(model, sample, box) -> int:
    """Return what all assigners take a box for; 0 is background."""
    boxes = sample.gt_instances
    if not len(boxes):
        boxes.bboxes, boxes.labels = torch.zeros(0, 4), torch.zeros(0).long()
    logged = model.train_cfg
    if 'rpn' not in logged:  # those of other kinds are told of boxes alone
        with TASK_UTILS.switch_scope_and_registry(None) as registry:
            kind = registry.get(logged.assigner.type)
        assert 'ignore_iof_thr' not in inspect.signature(kind).parameters
        return 0
    found = {
        int(
            TASK_UTILS.build(logged[part].assigner)
            .assign(InstanceData(priors=box), boxes, sample.ignored_instances)
            .gt_inds
        )
        for part in ('rpn', 'rcnn')
    }
    (inds,) = found
    return inds


def test_crowds_are_counted_and_their_images_as_well(good, tmp_path):
    def many(content):
        more = [
            {**content['annotations'][i % 2], 'id': 10 + i, 'iscrowd': 1}
            for i in range(5)
        ]
        content['annotations'] += more

    change(good, many)
    cfg = config(tmp_path, 'YOLOv5CocoDataset', HOST)
    logged = '\n'.join(line for _, line in check_annotations(cfg).lines)
    images = '5 in 2 images (0.png, 1.png)'
    assert f'crowds (iscrowd=1), {BACKGROUND}: {images}' in logged


def test_a_test_counts_nothing_in_crowds(good, tmp_path):
    change(good, crowds)
    cfg = config(tmp_path, 'mmdet.CocoDataset', None, test_mode=True)
    cfg.test_dataloader = cfg.pop('train_dataloader')
    logged = '\n'.join(line for _, line in check_annotations(cfg).lines)
    assert f'crowds (iscrowd=1), {UNCOUNTED}: 1 (1.png)' in logged
    assert 'boxes with ignore=1: 1 (3.png)' in logged
    assert 'learned' not in logged


def test_the_check_says_what_becomes_of_crowds(good):
    change(good, crowd_and_box)
    logged = check_boxes(good).summary()
    assert f'crowds (iscrowd=1), {DIFFERENT}: 1 (1.png)' in logged
    assert 'note: where a crowd or a box with ignore=1 is one defect' in logged


def test_the_check_says_what_is_learned_from(good):
    change(good, empty)
    logged = check_boxes(good).summary()
    assert 'learned from: ' in logged
    assert '6 images (4 without a box, 2 boxes); left out: nothing' in logged
    assert f"mmdet's own recipes: left out: {EMPTY}: 4 (2.png" in logged
