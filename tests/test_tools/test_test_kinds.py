"""tools/test.py with model files of classifiers and detectors."""

import contextlib
import copy
import io
import json
import shutil
from pprint import pformat

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import DefaultScope
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmcvgssl.apis.testing.truth_rows import truth_in
from mmcvgssl.evaluation import ClasswiseMetric
from mmcvgssl.model_file import classifier, detector, load_model
from mmcvgssl.registry import MODELS
from tests.data import picture
from tests.test_model_file.test_fuzz_kinds import (
    BOX_STEPS,
    CLASSIFIER,
    DETECTOR,
    STEPS,
)

NAMES = ['dent', '裂纹']
ALONE = ['--cfg-options', 'test_dataloader.num_workers=0']
BOXES = """
default_scope = 'mmdet'
model = {model}
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        data_root={root!r},
        ann_file='coco.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=('dent', '裂纹')),
        test_mode=True,
        pipeline=[
            dict(type='mmcvgssl.LoadImage'),
            dict(type='Resize', scale=(32, 32), keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(
                type='PackDetInputs',
                meta_keys=(
                    *('img_id', 'img_path', 'ori_shape', 'img_shape'),
                    *('scale_factor', 'instances'),
                ),
            ),
        ],
    ),
)
test_cfg = dict()
test_evaluator = dict(
    type='CocoMetric', metric='bbox', ann_file=None, classwise=True
)
"""
LISTED = """
_base_ = 'mmcvgssl::_base_/default_runtime.py'
model = dict(type='ImageClassifier')
few_shot = dict(
    test=dict(
        type='mmcvgssl.SurfaceImages',
        data_root={root!r},
        ann_file='test.txt',
        with_label=True,
    )
)
"""


@pytest.fixture
def written(tmp_path):
    """Write a tiny model of a kind."""

    def write(kind: str, **reading) -> str:
        torch.manual_seed(0)
        path = tmp_path / f'{kind}.safetensors'
        steps = copy.deepcopy(STEPS if kind == 'classifier' else BOX_STEPS)
        steps[0] |= reading
        if kind == 'classifier':
            config = dict(copy.deepcopy(CLASSIFIER), init_backbone=False)
            model = MODELS.build(config)
            torch.nn.init.normal_(model.head.weight, std=50)
            classifier.to_file(model, CLASSIFIER, steps, NAMES).write(path)
        else:
            config = copy.deepcopy(DETECTOR)
            config['data_preprocessor']['std'] = [255.0] * 3
            net = detector.build(config, {'x': torch.ones(9999)}, 'ours')
            detector.to_file(net, config, steps, NAMES).write(path)
        DefaultScope._instance_dict.clear()
        return str(path)

    return write


@pytest.fixture
def test(tool, tmp_path):
    """Run tools/test.py; return its metrics."""

    def run(*args) -> dict[str, float]:
        out = tmp_path / 'metrics.json'
        out.unlink(missing_ok=True)
        DefaultScope._instance_dict.clear()
        code, _, err = tool(
            *('test.py', *args, '--out', out, '--work-dir', tmp_path / 'w')
        )
        assert code == 0, err
        return json.loads(out.read_text())

    return run


@pytest.fixture
def predict(tool, tmp_path):
    """Run tools/predict.py; return the folder that it has written."""

    def run(*args):
        DefaultScope._instance_dict.clear()
        code, _, err = tool('predict.py', *args, '--out', tmp_path / 'out')
        assert code == 0, err
        return json.loads((tmp_path / 'out/predictions.json').read_text())

    return run


def write_classes(root):
    for c, name in enumerate(NAMES):
        (root / name).mkdir(parents=True)
        for i in range(3 + c):
            picture(5 * c + i, 40).save(root / name / f'{i}.png')
    return root


def deepen(root):
    """Have pictures in a folder hold 12 of 16 bits."""
    for file in root.rglob('*.png'):
        grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(file), grey.astype(np.uint16) * 16)


def write_boxes(root, predicted=None, extra=()):
    """Write three pictures and, of what was predicted, a COCO file."""
    root.mkdir(exist_ok=True)
    sizes = [(90, 90), (60, 90), (75, 90)]
    for i, size in enumerate(sizes):
        picture(i, 90).resize(size).save(root / f'{i}.png')
    boxes = []
    for image_id, image in enumerate(
        predicted['images'] if predicted else (), 1
    ):
        for found in image['boxes'][:2] if image_id < 3 else ():
            x1, y1, x2, y2 = found['box']
            boxes.append(
                {
                    **{'id': len(boxes) + 1, 'image_id': image_id},
                    'category_id': 1 + NAMES.index(found['label']),
                    'bbox': [x1, y1, x2 - x1, y2 - y1],
                    **{'area': (x2 - x1) * (y2 - y1), 'iscrowd': 0},
                }
            )
    images = [
        {'id': i, 'file_name': f'{i - 1}.png', 'width': w, 'height': h}
        for i, (w, h) in enumerate(sizes, 1)
    ]
    categories = [
        {'id': i, 'name': name} for i, name in enumerate([*NAMES, *extra], 1)
    ]
    truth = dict(images=images, annotations=boxes, categories=categories)
    (root / 'coco.json').write_text(json.dumps(truth))
    return root


def precision(truth, results) -> float:
    """Compute mean average precision by COCO's own tools."""
    with contextlib.redirect_stdout(io.StringIO()):
        content = COCO(str(truth))
        found = COCOeval(content, content.loadRes(str(results)), 'bbox')
        found.evaluate()
        found.accumulate()
        found.summarize()
    return float(found.stats[0])


def test_a_detector_is_tested_as_it_predicts(written, test, predict, tmp_path):
    path, root = written('detector'), write_boxes(tmp_path / 'data')
    args = (path, root, '--threshold', 0.0)
    content = predict(*args)
    write_boxes(root, content)
    expected = precision(
        root / 'coco.json', tmp_path / 'out' / content['coco']['file']
    )
    assert 0.1 < expected < 1

    found = test(path, '--images', root, *ALONE)
    # mmdet rounds
    assert found['coco/bbox_mAP'] == pytest.approx(expected, abs=6e-4)
    assert {f'coco/{name}_precision' for name in NAMES} <= found.keys()
    assert found['false_alarms/good_images'] == 1

    # a file elsewhere, of names in a folder
    moved = tmp_path / 'elsewhere.json'
    (root / 'coco.json').rename(moved)
    assert test(path, '--images', moved, '--root', root, *ALONE) == found
    moved.rename(root / 'coco.json')

    # the same by a config, of the file and of a checkpoint
    model = copy.deepcopy(DETECTOR)
    model['data_preprocessor']['std'] = [255.0] * 3
    config = tmp_path / 'boxes.py'
    text = BOXES.format(model=pformat(model), root=str(root))
    config.write_text(text, encoding='utf-8')
    assert test(config, path) == found
    weights = load_model(path).model.state_dict()
    torch.save({'state_dict': weights}, tmp_path / 'weights.pth')
    assert test(config, tmp_path / 'weights.pth') == found


def test_a_classifier_is_tested_as_it_predicts(
    written, test, predict, tmp_path
):
    path, root = written('classifier'), write_classes(tmp_path / 'data')
    pairs = [
        (image['path'].split('/')[-2], image['label'])
        for image in predict(path, root)['images']
    ]
    right = sum(truth == label for truth, label in pairs)
    found = test(path, '--images', root, *ALONE)

    assert 0 < right < 7
    assert found['accuracy/top1'] == pytest.approx(100 * right / 7)
    for name in NAMES:
        own = [label for truth, label in pairs if truth == name]
        recall = 100 * own.count(name) / len(own)
        assert found[f'single-label/{name}_recall'] == pytest.approx(recall)
        assert found[f'single-label/{name}_support'] == len(own)

    # the same by a config that lists them
    config = tmp_path / 'listed.py'
    config.write_text(LISTED.format(root=str(root)))
    lines = [
        f'{name}/{i}.png {c}\n'
        for c, name in enumerate(NAMES)
        for i in range(3 + c)
    ]
    (root / 'test.txt').write_text(''.join(lines), encoding='utf-8')
    (root / 'classes.txt').write_text('\n'.join(NAMES), encoding='utf-8')
    assert test(config, path) == found
    # some of the classes will do
    (root / NAMES[1]).rename(tmp_path / 'away')
    part = test(path, '--images', root, *ALONE)
    assert part[f'single-label/{NAMES[1]}_support'] == 0


def kept_in(tmp_path) -> dict:
    """Return what the last test kept, with the folder that it lies in."""
    file = max((tmp_path / 'w').glob('*/predictions.json'))
    left = {path.name for path in file.parent.iterdir()}
    assert not [name for name in left if name.startswith('.')]
    return {**json.loads(file.read_text()), 'folder': file.parent}


def test_a_test_keeps_the_boxes_that_predict_shows(
    written, test, predict, tmp_path
):
    path, root = written('detector'), write_boxes(tmp_path / 'data')
    content = predict(path, root, '--threshold', 0.05)
    write_boxes(root, content)
    test(path, '--images', root, *ALONE)
    kept = kept_in(tmp_path)
    assert kept['score_threshold'] == 0.3
    assert kept['kept_from'] == 0.05
    for ours, theirs in zip(kept['images'], content['images'], strict=True):
        truth = ours.pop('truth')
        assert ours == theirs
        own = theirs['boxes'][:2] if not ours['path'].endswith('2.png') else []
        assert [b['label'] for b in truth['boxes']] == [
            b['label'] for b in own
        ]
        found = [b['box'] for b in truth['boxes']]
        assert found == [pytest.approx(b['box'], abs=1e-3) for b in own]
        assert truth['defective'] == bool(own)
    theirs = json.loads((tmp_path / 'out/predictions.bbox.json').read_text())
    ours = json.loads((kept['folder'] / 'predictions.bbox.json').read_text())
    assert ours == theirs


def test_an_image_with_crowds_alone_is_not_kept_as_good():
    crowd = {'bbox': [0, 0, 9, 9], 'bbox_label': 0, 'ignore_flag': 1}
    sample = DetDataSample(metainfo={'instances': [crowd]})
    assert truth_in('detector', sample, NAMES) is None
    sample.set_metainfo({'instances': [{**crowd, 'ignore_flag': 0}, crowd]})
    assert len(truth_in('detector', sample, NAMES)['boxes']) == 1
    sample.set_metainfo({'instances': []})
    assert truth_in('detector', sample, NAMES)['defective'] is False


def test_a_test_keeps_classes_and_a_report_finds_them(
    written, test, predict, tool, tmp_path
):
    path, root = written('classifier'), write_classes(tmp_path / 'data')
    content = predict(path, root)
    accuracy = test(path, '--images', root, *ALONE)['accuracy/top1']
    kept = kept_in(tmp_path)
    assert [{**row, 'truth': None} for row in kept['images']] == [
        {**row, 'truth': None} for row in content['images']
    ]
    for row in kept['images']:
        assert row['truth'] == {'name': row['path'].split('/')[-2]}
    table = (kept['folder'] / 'predictions.csv').read_text().splitlines()
    assert table[0] == 'path,label,probability,probabilities,error,truth'
    assert [line.rpartition(',')[2] for line in table[1:]] == [
        row['truth']['name'] for row in kept['images']
    ]

    # a second test of the folder takes the place of the first
    again = tmp_path / 'w' / '99999999_000000'
    shutil.copytree(kept['folder'], again)
    out = tmp_path / 'report.html'
    code, _, err = tool('report.py', tmp_path / 'w', '--out', out)
    assert code == 0, err
    page = out.read_text()
    assert f'accuracy {accuracy:.1f} % of 7 images' in page
    assert page.count('<h2>Classes: w</h2>') == 1
    assert 'a test that was done again' in err


def test_deep_images_are_read_as_the_file_says(
    written, test, predict, tool, tmp_path
):
    root = write_classes(tmp_path / 'data')
    deepen(root)
    path = written('classifier', depth_range=[0, 2047])
    right = sum(
        image['path'].split('/')[-2] == image['label']
        for image in predict(path, root)['images']
    )
    args = (path, '--images', root, *ALONE)
    found = test(*args)
    assert found['accuracy/top1'] == pytest.approx(100 * right / 7)
    assert test(*args, 'depth_range=0,2047') == found
    code, _, err = tool('test.py', *args, 'depth_range=0,4095')
    assert code == 1
    assert 'depth_range=(0, 2047), and depth_range=[0, 4095] is set' in err
    # of a file that has none, one is taken
    args = (written('classifier'), *args[1:], 'depth_range=0,2047')
    assert test(*args) == found


def test_metrics_of_classes_have_their_names():
    metric = ClasswiseMetric(items=('recall', 'support'))
    metric.dataset_meta = {'classes': ('a', 'b')}
    labels = [(0, 0), (0, 1), (1, 1)]
    metric.results = [
        {'gt_label': torch.tensor([t]), 'pred_score': torch.eye(2)[p]}
        for t, p in labels
    ]
    assert metric.compute_metrics(metric.results) == {
        **{'a_recall': 50.0, 'b_recall': 100.0},
        **{'a_support': 2.0, 'b_support': 1.0},
    }


@pytest.mark.parametrize(
    ('kind', 'change', 'args', 'said'),
    [
        ('classifier', 'other', ['data'], '1 other folder (hole)'),
        ('classifier', 'bare', ['data'], 'got none'),
        ('classifier', '', ['data/coco.json'], 'a folder of images for each'),
        ('classifier', '', ['data', '--root', 'data'], 'leave it out'),
        ('classifier', '', [], 'give --images PATH'),
        ('classifier', 'deep', ['data'], 'nothing says which of them are'),
        ('detector', 'deep', ['data'], 'nothing says which of them are'),
        ('detector', '', ['nowhere.json'], 'found no'),
        ('detector', 'bare', ['data'], 'one COCO file, NAME.json'),
        ('detector', 'two', ['data'], 'got coco.json, more.json: name'),
        ('detector', '', ['data', '--root', 'nowhere'], 'no folder'),
        ('detector', 'classes', ['data'], 'has dent, 裂纹, hole'),
        ('detector', 'order', ['data'], 'the same, in this order'),
    ],
)
def test_what_cannot_be_tested_on_is_said(
    written, tool, tmp_path, monkeypatch, kind, change, args, said
):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / 'data'
    if kind == 'classifier':
        write_classes(root)
        if change == 'deep':
            deepen(root)
        (root / 'coco.json').write_text('{}')
        if change == 'other':
            (root / 'hole').mkdir()
            picture(0, 40).save(root / 'hole/0.png')
        elif change == 'bare':
            for name in NAMES:
                (root / name).rename(tmp_path / name)
    else:
        write_boxes(root, extra=['hole'] if change == 'classes' else ())
        if change == 'bare':
            (root / 'coco.json').unlink()
        elif change == 'two':
            (root / 'more.json').write_text('{}')
        elif change == 'deep':
            deepen(root)
        elif change == 'order':
            content = json.loads((root / 'coco.json').read_text())
            content['categories'].reverse()
            (root / 'coco.json').write_text(json.dumps(content))
    options = [a for a in args if '=' in a]
    rest = [a for a in args if '=' not in a]
    code, _, err = tool(
        *('test.py', written(kind)),
        *(['--images', *rest] if rest else []),
        *(['--cfg-options', *options] if options else []),
    )
    assert code == 1
    assert said in err.rpartition('ERROR: ')[2]
    assert 'Epoch(test)' not in err


@pytest.mark.parametrize(
    ('kind', 'config', 'said'),
    [
        ('detector', 'listed', 'expected test_dataloader with boxes'),
        ('classifier', 'boxes', 'expected images with classes'),
        ('classifier', 'unnamed', 'lists indices of classes without their'),
        ('classifier', 'other', 'has dent, hole'),
    ],
)
def test_a_config_of_another_test_is_refused(
    written, tool, tmp_path, kind, config, said
):
    root, file = write_classes(tmp_path / 'data'), tmp_path / 'config.py'
    (root / 'test.txt').write_text('dent/0.png 0\n')
    if config == 'other':
        (root / 'classes.txt').write_text('dent\nhole\n')
    text = BOXES if config == 'boxes' else LISTED
    content = text.format(root=str(root), model="dict(type='FasterRCNN')")
    file.write_text(content, encoding='utf-8')
    code, _, err = tool(
        *('test.py', file, written(kind), '--work-dir', tmp_path / 'w')
    )
    assert code == 1
    assert said in err.rpartition('ERROR: ')[2]
