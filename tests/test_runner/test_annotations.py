"""Settings of a detector and its data sets agree, or are refused."""

import json
import re
from copy import deepcopy

import pytest
from mmengine.config import Config
from torch import nn

from mmcvgssl.datasets.coco_check import AnnotationError
from mmcvgssl.models.class_counts import check_heads, class_counts
from mmcvgssl.runner.annotations import check_annotations, count_false_alarms
from tests.boxes import write_boxes
from tests.data import picture

HEADS = {
    'model.roi_head.bbox_head.num_classes': dict(
        rpn_head=dict(num_classes=1),
        backbone=dict(num_classes=1000),
        roi_head=dict(bbox_head=dict(num_classes=2)),
    ),
    'model.roi_head.bbox_head.1.num_classes': dict(
        roi_head=dict(bbox_head=[dict(num_classes=2), dict(num_classes=2)])
    ),
    'model.train_cfg.assigner.num_classes': dict(
        bbox_head=dict(head_module=dict(num_classes=2)),
        train_cfg=dict(assigner=dict(num_classes=2)),
    ),
    'model.bbox_head.num_classes': dict(bbox_head=dict(num_classes=2)),
}


@pytest.fixture
def cfg(tmp_path):
    for i in range(6):
        picture(i, 128).save(tmp_path / f'{i}.png')
    for name in ('train', 'test'):
        write_boxes(tmp_path / f'{name}.json', ('dent', 'chip'))
    part = dict(
        type='mmdet.CocoDataset',
        data_root=str(tmp_path),
        data_prefix=dict(img=''),
        metainfo=dict(classes=('dent', 'chip')),
        pipeline=[dict(type='PackDetInputs', meta_keys=('instances',))],
    )
    return Config(
        dict(
            train_dataloader=dict(dataset=dict(ann_file='train.json', **part)),
            test_dataloader=dict(
                dataset=dict(ann_file='test.json', test_mode=True, **part)
            ),
            test_evaluator=dict(type='CocoMetric', ann_file=None),
        )
    )


@pytest.mark.parametrize(('key', 'model'), HEADS.items())
@pytest.mark.parametrize('count', [1, 3, 80])
def test_another_number_of_classes_is_refused(cfg, key, model, count):
    cfg.model = deepcopy(model)
    check_annotations(cfg)
    cfg.merge_from_dict({key: count})
    with pytest.raises(ValueError, match='2 classes') as caught:
        check_annotations(cfg)
    assert f'{key}={count}: they must agree' in str(caught.value)
    assert f'--cfg-options {key}=2' in str(caught.value)
    # what the message says is the fix
    (fix,) = re.findall(r'--cfg-options (\S+)=2', str(caught.value))
    cfg.merge_from_dict({fix: 2})
    check_annotations(cfg)


def test_parts_that_count_something_else_are_left_alone():
    model = HEADS['model.roi_head.bbox_head.num_classes']
    assert [path for path, _ in class_counts(model)] == [
        'model.roi_head.bbox_head.num_classes'
    ]


def test_a_detector_of_words_counts_tokens(cfg):
    head = dict(num_classes=256)
    cfg.model = dict(language_model=dict(), bbox_head=head)
    check_annotations(cfg)


def test_a_head_with_the_default_of_its_class_is_refused():
    model = nn.ModuleDict({'bbox_head': nn.Linear(1, 1)})
    model['bbox_head'].num_classes = 80
    model['rpn_head'] = nn.Linear(1, 1)
    model['rpn_head'].num_classes = 1
    with pytest.raises(ValueError, match=r'model\.bbox_head\.num_classes=2'):
        check_heads(model, ('dent', 'chip'), 'metainfo.classes')
    model['bbox_head'].num_classes = 2
    check_heads(model, ('dent', 'chip'), 'metainfo.classes')


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        (
            {'test_dataloader.dataset.metainfo': {'classes': ('dent',)}},
            'categories that the config does not list',
        ),
        (
            {'train_dataloader.dataset.metainfo': None},
            r"80 classes of its own .* \('dent', 'chip'\)",
        ),
        (
            {'test_evaluator.ann_file': 'other.json'},
            'test_evaluator.ann_file is other.json, but',
        ),
        (
            {
                'train_dataloader.dataset.metainfo': {
                    'classes': ('dent', 'chip'),
                    'palette': [(1, 2, 3)],
                }
            },
            'a palette of 1 colours',
        ),
        ({'check_images': 'some'}, 'check_images is one of names, sizes'),
    ],
)
def test_settings_that_do_not_agree_are_refused(cfg, options, match):
    cfg.merge_from_dict(options)
    with pytest.raises((AnnotationError, ValueError), match=match):
        check_annotations(cfg)


def test_all_data_sets_have_one_list_of_classes(cfg, tmp_path):
    write_boxes(tmp_path / 'test.json', ('dent', 'hole'))
    cfg.test_dataloader.dataset.metainfo = dict(classes=('dent', 'hole'))
    with pytest.raises(AnnotationError, match=r'test_dataloader.*one list'):
        check_annotations(cfg)
    check_annotations(cfg, ['test'])  # the test alone reads one of them


def test_images_that_are_trained_and_tested_on_are_told(cfg, tmp_path):
    logged = [line for _, line in check_annotations(cfg).lines]
    assert 'test: trained on, too: 6 (0.png, 1.png, 2.png, ...)' in logged
    content = json.loads((tmp_path / 'test.json').read_text())
    for i, image in enumerate(content['images']):
        image['file_name'] = f'other{i}.png'
        picture(i, 128).save(tmp_path / f'other{i}.png')
    (tmp_path / 'test.json').write_text(json.dumps(content))
    logged = [line for _, line in check_annotations(cfg).lines]
    assert not any('trained on' in line for line in logged)


@pytest.mark.parametrize('part', ['train', 'test'])
def test_few_unreadable_images_are_skipped_in_training_alone(
    cfg, tmp_path, part
):
    for name in ('train', 'test'):
        content = json.loads((tmp_path / f'{name}.json').read_text())
        for i, image in enumerate(content['images']):
            image['file_name'] = f'{name}{i}.png'
            picture(i, 128).save(tmp_path / f'{name}{i}.png')
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    (tmp_path / f'{part}3.png').write_bytes(b'')
    load = dict(type='mmcvgssl.LoadImage', max_unreadable=1)
    cfg.train_dataloader.dataset.pipeline = [load]
    if part == 'test':
        with pytest.raises(AnnotationError, match=r'test3\.png: the file'):
            check_annotations(cfg)
        return
    report = check_annotations(cfg)
    (line,) = report.skipped
    assert line.startswith('image 3: ')
    assert any('skipped: images that cannot' in s for _, s in report.lines)
    (tmp_path / 'train4.png').write_bytes(b'no image')
    with pytest.raises(AnnotationError, match=r'train4\.png'):
        check_annotations(cfg)


def test_a_test_reads_nothing_of_the_training(cfg, tmp_path):
    (tmp_path / 'train.json').unlink()
    with pytest.raises(FileNotFoundError):
        check_annotations(cfg)
    assert check_annotations(cfg, ['test']).classes == ('dent', 'chip')


def test_false_alarms_are_counted_where_there_are_good_images(cfg, tmp_path):
    report = check_annotations(cfg)
    count_false_alarms(cfg, report)
    assert cfg.test_evaluator.type == 'CocoMetric'

    boxes = tmp_path / 'test.json'
    content = json.loads(boxes.read_text())
    boxes.write_text(json.dumps({**content, 'annotations': []}))
    report = check_annotations(cfg)
    assert report.good == ['test']
    count_false_alarms(cfg, report)
    kinds = [metric.type for metric in cfg.test_evaluator]
    assert kinds == ['CocoMetric', 'mmcvgssl.FalseAlarms']
    count_false_alarms(cfg, report)
    assert len(cfg.test_evaluator) == 2

    cfg.test_evaluator = dict(type='CocoMetric')
    cfg.test_dataloader.dataset.pipeline = []
    count_false_alarms(cfg, report)  # its samples do not tell the truth
    assert cfg.test_evaluator.type == 'CocoMetric'
    cfg.train_dataloader.dataset.ann_file = 'test.json'
    with pytest.raises(AnnotationError, match='learns nothing from good'):
        check_annotations(cfg)


RESIZED = dict(type='Resize', scale=(64, 64), keep_ratio=True)
AT_RANDOM = dict(
    type='RandomResize',
    scale=(64, 64),
    ratio_range=(0.25, 2.0),
    keep_ratio=True,
)


@pytest.mark.parametrize(
    ('first', 'switched', 'least'),
    [
        ([RESIZED], [], None),
        ([AT_RANDOM], [], 16),
        ([RESIZED], [AT_RANDOM], 16),
        ([RESIZED, dict(AT_RANDOM, scale=(256, 256))], [RESIZED], None),
        ([dict(AT_RANDOM, type='mmdet.Other')], [], None),
    ],
)
def test_thin_images_of_which_a_resize_may_leave_nothing(
    cfg, tmp_path, first, switched, least
):
    """By the smallest size, also of the steps of the last epochs."""
    picture(0, 128).crop((0, 0, 128, 4)).save(tmp_path / '0.png')
    for name in ('train', 'test'):
        file = tmp_path / f'{name}.json'
        content = json.loads(file.read_text())
        content['images'][0]['height'] = 4
        content['annotations'][0]['bbox'] = [8, 0, 48, 4]
        file.write_text(json.dumps(content))
    pack = cfg.train_dataloader.dataset.pipeline
    cfg.train_dataloader.dataset.pipeline = [*first, *pack]
    cfg.custom_hooks = [
        dict(type='PipelineSwitchHook', switch_pipeline=[*switched, *pack])
    ]
    if least is None:
        check_annotations(cfg)
        return
    with pytest.raises(AnnotationError, match=f'to {least} pixels .*0.png'):
        check_annotations(cfg)
