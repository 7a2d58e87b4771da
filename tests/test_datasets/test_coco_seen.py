"""What is said to be learned from is what the built data set hands out."""

import json

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from mmcvgssl.apis.annotations import check_annotations
from mmcvgssl.datasets.coco_check import AnnotationError
from mmcvgssl.datasets.preparation import check_boxes
from tests.boxes import write_boxes
from tests.data import picture

SMALL = (
    'images with a side smaller than 32 pixels (filter_cfg.min_size=1 of the '
    'data set keeps them)'
)
EMPTY = (
    'images without a box (filter_cfg.filter_empty_gt=False of the data set '
    'keeps them)'
)
HOST = {'filter_empty_gt': True, 'min_size': 32}
KEEP = {'filter_empty_gt': False, 'min_size': 1}


def thin(held):
    for image in held['images'][:4]:
        image['height'] = 24
    for entry in held['annotations'][:4]:
        entry.update(bbox=[8, 2, 20, 20])


def empty(held):
    del held['annotations'][2:]


def crowds(held):
    held['annotations'][1]['iscrowd'] = 1
    held['annotations'][3].update(ignore=1)


def subset(held):
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
        {'crowds (boxes with iscrowd=1)': ['1'], 'boxes with ignore=1': ['3']},
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
    held = json.loads(file.read_text())
    edit(held)
    file.write_text(json.dumps(held))


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
    told = '\n'.join(line for _, line in report.lines)
    images, without, boxes = counts
    assert f'{images} images ({without} without a box, {boxes} boxes)' in told
    for reason, names in left.items():
        first = ', '.join(f'{name}.png' for name in names[:3])
        assert f'{reason}: {len(names)} ({first}' in told
    assert ('left out: nothing' in told) == (not left)

    init_default_scope(cfg.default_scope)
    built = DATASETS.build({**cfg.train_dataloader.dataset, 'pipeline': []})
    infos = [built.get_data_info(i) for i in range(len(built))]
    used = [
        sum(not box['ignore_flag'] for box in info['instances'])
        for info in infos
    ]
    assert (len(infos), used.count(0), sum(used)) == counts


def test_a_data_set_that_leaves_out_every_box_is_refused(good, tmp_path):
    def all_thin(held):
        for image in held['images']:
            image['height'] = 24
        for entry in held['annotations']:
            entry.update(bbox=[8, 2, 20, 20])

    change(good, all_thin)
    with pytest.raises(AnnotationError, match='keeps none: '):
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
    told = [line for _, line in check_annotations(cfg).lines]
    assert any('6 images (6 without a box, 0 boxes)' in t for t in told)
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
    def stripe(held):
        held['images'][0].update(width=600, height=1)
        held['annotations'][0].update(bbox=[8, 0, 20, 1])

    change(good, stripe)
    cfg = config(tmp_path, 'mmdet.CocoDataset', KEEP)
    cfg.train_dataloader.dataset.pipeline = [dict(type='Resize', scale=scale)]
    if refused:
        with pytest.raises(AnnotationError, match=r'1 image \(0.png, 600 x 1'):
            check_annotations(cfg)
    else:
        check_annotations(cfg)


def test_the_check_says_what_is_learned_from(good):
    change(good, empty)
    told = check_boxes(good).summary()
    assert 'learned from: ' in told
    assert '6 images (4 without a box, 2 boxes); left out: nothing' in told
    assert f"mmdet's own recipes: left out: {EMPTY}: 4 (2.png" in told
