"""Recipes of detectors: found by glob, built, stepped and run in a chain."""

import json
import re
import shutil
import uuid
from copy import deepcopy

import mmyolo.models  # noqa: F401  (registers detectors)
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image

from mmcvgssl.apis import build_runner, check_before_training, load_config
from mmcvgssl.datasets.coco_check import AnnotationError
from mmcvgssl.datasets.transforms import LoadImage
from mmcvgssl.models.class_counts import check_class_counts
from mmcvgssl.registry import DATASETS, MODELS
from mmcvgssl.runner.image_reading import settle_images
from mmcvgssl.runner.options import OptionText
from tests.boxes import (
    SIZE,
    make_runner,
    shrink,
    write_boxes,
    write_surfaces,
)
from tests.data import CONFIGS

pytestmark = pytest.mark.usefixtures('quick_configs')

DETECTION = sorted(
    path
    for path in (CONFIGS / 'detection').glob('*/*.py')
    if path.parent.name != 'soft_teacher'  # a wrapper of one of the others
)
AGDP = sorted((CONFIGS / 'pretrain/agdp').glob('*.py'))
DETECTORS = {
    'rtmdet_tiny': ('RTMDet', 'CSPNeXt'),
    'rtmdet_s': ('RTMDet', 'CSPNeXt'),
    'yolov8_n': ('YOLODetector', 'YOLOv8CSPDarknet'),
    'yolov8_n-lite0': ('YOLODetector', 'TimmBackbone'),
    'yolov8_s': ('YOLODetector', 'YOLOv8CSPDarknet'),
    'yolov8_s-r50': ('YOLODetector', 'ResNet'),
    'yolov8_s-swin-b': ('YOLODetector', 'SwinTransformer'),
    'faster-rcnn_r18': ('FasterRCNN', 'ResNet'),
    'faster-rcnn_r50': ('FasterRCNN', 'ResNet'),
    'faster-rcnn_swin-b': ('FasterRCNN', 'SwinTransformer'),
    'dino-4scale_swin-b': ('DINO', 'SwinTransformer'),
}
NAME = re.compile(
    r'(?P<agdp>agdp_)?'
    r'(?P<detector>(rtmdet|yolov8|faster-rcnn|dino-4scale)_[a-z0-9-]+)'
    r'_(?P<gpus>\d+)xb(?P<batch>\d+)-(?P<epochs>\d+)e_(?P<data>[a-z0-9-]+)'
)
NEU = (
    *('crazing', 'inclusion', 'patches', 'pitted_surface'),
    *('rolled-in_scale', 'scratches'),
)
# a detector that is quick to run through all stages
CHAINS = {
    'rtmdet_tiny': ('cspnext-tiny', '1xb16-10e', 'rtmdet', '1xb16-300e'),
    'yolov8_n': ('csp-n', '1xb16-10e', 'yolov8', '1xb16-300e'),
    'faster-rcnn_r18': ('resnet18', '1xb8-10e', 'faster_rcnn', '1xb8-100e'),
}


def said_by(path):
    said = NAME.fullmatch(path.stem)
    assert said, f'{path.stem} does not follow the pattern of names'
    return said


def head_classes(cfg: Config) -> set[int]:
    """Return every number of classes that a detector is built with."""
    model = cfg.model.get('detector') or cfg.model  # in a mean teacher
    if 'roi_head' in model:
        return {model.roi_head.bbox_head.num_classes}
    if 'head_module' in model.bbox_head:
        head = model.bbox_head.head_module.num_classes
        return {head, model.train_cfg.assigner.num_classes}
    return {model.bbox_head.num_classes}


@pytest.fixture(scope='module')
def surfaces(tmp_path_factory):
    """Images, boxes of NEU-DET's classes, boxes of anomalies, and maps."""
    root = write_surfaces(tmp_path_factory.mktemp('surfaces'))
    for part in ('train', 'test'):
        write_boxes(root / f'mmcvgssl/{part}.json', NEU)
    write_boxes(root / 'boxes.json', ['anomaly'])
    return root


def on_surfaces(path, surfaces) -> Config:
    """Load a recipe of any data set for the one of these tests."""
    return load_config(
        path,
        {
            'data_root': str(surfaces),
            'classes': NEU,
            'ann_file': 'mmcvgssl/train.json',
            'test_ann_file': 'mmcvgssl/test.json',
        },
    )


def test_every_detector_has_a_recipe_and_few_have_several():
    found = [
        (said['detector'], said['data']) for said in map(said_by, DETECTION)
    ]
    assert {detector for detector, _ in found} == set(DETECTORS)
    assert {said_by(p)['detector'] for p in AGDP} == set(DETECTORS)
    full = ('rtmdet_s', 'yolov8_s', 'faster-rcnn_swin-b', 'dino-4scale_swin-b')
    assert {*found} >= {(d, 'coco-format') for d in full}
    assert len(DETECTION) <= 24
    assert len(AGDP) <= 12


ROW = re.compile(
    r'^\| (?P<what>[^|]+) \| `(?P<recipe>\S+casting-billet\.py)` \| '
    r'`(?P<agbp>\S+)` \| `(?P<agdp>\S+)` \|(?P<more>[^|]*)\|$',
    re.M,
)
ROWS = [
    found.groupdict()
    for found in ROW.finditer((CONFIGS / 'detection/README.md').read_text())
]


def test_the_page_has_every_row_of_the_papers_table():
    assert len(ROWS) == 6
    named = {row['recipe'] for row in ROWS}
    found = (CONFIGS / 'detection').glob('*/*casting-billet.py')
    assert named == {f'{p.parent.name}/{p.name}' for p in found}


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row['what'])
def test_a_row_of_the_papers_table_names_recipes_that_go_together(row):
    more = row['more'].strip(' `')
    options = {}
    if more:
        key, value = more.split('=')
        options = {key: int(value)}
    mine = load_config(CONFIGS / 'detection' / row['recipe'], options)
    agdp = load_config(CONFIGS / 'pretrain/agdp' / row['agdp'])
    agbp = load_config(CONFIGS / 'pretrain/agbp' / row['agbp'])
    assert agdp.model.type == mine.model.type
    frozen = mine.model.backbone.get('frozen_stages', -1)
    assert frozen == (-1 if mine.model.type == 'YOLODetector' else 1)
    for cfg in (agdp, mine):
        kinds = [c.model.backbone.type.split('.')[-1] for c in (agbp, cfg)]
        assert kinds[0].removeprefix('SimMIM') == kinds[1]
        for key in ('mean', 'std'):
            assert (
                cfg.model.data_preprocessor[key]
                == (agbp.model.data_preprocessor[key])
            )


@pytest.mark.parametrize('path', [*DETECTION, *AGDP], ids=lambda p: p.stem)
def test_a_recipe_is_what_its_name_says(path):
    said = said_by(path)
    cfg = load_config(path)
    kinds = cfg.model.type, cfg.model.backbone.type.split('.')[-1]
    assert kinds == DETECTORS[said['detector']]
    assert cfg.train_dataloader.batch_size == int(said['batch'])
    assert cfg.train_cfg.max_epochs == int(said['epochs'])
    assert cfg.randomness.seed == 0
    hooks = cfg.default_hooks
    if said['detector'].startswith('yolo'):
        assert hooks.param_scheduler.max_epochs == int(said['epochs'])
        foreign = 'CSP' not in kinds[1]
        lr = 0.01 / 4 if foreign else 0.01
        assert cfg.optim_wrapper.optimizer.lr == pytest.approx(lr)
    else:
        last = cfg.param_scheduler[-1]
        assert last.end == int(said['epochs'])
        if last.type == 'CosineAnnealingLR':
            assert last.end == last.begin + last.T_max
            lr = cfg.optim_wrapper.optimizer.lr
            assert last.eta_min == pytest.approx(0.05 * lr)
        switch = [h for h in cfg.custom_hooks if 'switch_epoch' in h]
        for hook in switch:
            assert last.begin < hook.switch_epoch < last.end
    scale = cfg.get('auto_scale_lr')
    if said['detector'].startswith('rtmdet'):
        assert scale.base_batch_size == int(said['batch'])

    classes = cfg.train_dataloader.dataset.metainfo.classes
    assert head_classes(cfg) == {len(classes)}
    steps = str(cfg.train_dataloader.dataset.pipeline)
    assert 'Albu' not in steps
    # no weights of other images unless they are asked for
    assert not cfg.backbone_checkpoint
    assert not cfg.load_from
    backbone = cfg.model.backbone
    assert backbone.get('init_cfg') is None
    if kinds[1] == 'ResNet':  # the host keeps statistics by default
        assert backbone.get('norm_eval', True) == bool(said['agdp'])
    if said['agdp']:
        assert tuple(classes) == ('anomaly',)
        assert backbone.frozen_stages == (3 if 'swin' in path.stem else 4)
        assert backbone.get('norm_eval') or 'swin' in path.stem
        assert cfg.val_dataloader is None
        return
    assert not hooks.checkpoint.get('save_best')  # no choice on test data
    assert backbone.get('frozen_stages', -1) < 1
    tested = cfg.val_dataloader.dataset
    assert tested.metainfo.classes == classes
    assert tested.ann_file != cfg.train_dataloader.dataset.ann_file


def test_options_of_the_command_line_reach_every_part():
    options = {'data_root': 'elsewhere', 'ann_file': 'few.json'}
    path = CONFIGS / 'detection/yolov8/yolov8_n_1xb16-300e_neu-det.py'
    cfg = load_config(path, options)
    train, test = (cfg[f'{p}_dataloader'].dataset for p in ('train', 'test'))
    assert (train.data_root, train.ann_file) == ('elsewhere', 'few.json')
    assert (test.data_root, test.ann_file) == (
        'elsewhere',
        'mmcvgssl/test.json',
    )
    assert cfg.val_evaluator.ann_file is None

    agdp = CONFIGS / 'pretrain/agdp/agdp_yolov8_n_1xb16-10e_pseudo-boxes.py'
    cfg = load_config(agdp, {'img': 'pictures', 'ann_file': 'boxes.json'})
    train = cfg.train_dataloader.dataset
    assert (train.data_prefix.img, train.ann_file) == (
        'pictures',
        'boxes.json',
    )


GLASS = """classes = ('chip', 'bubble')
data_set = dict(
    data_root='data/glass',
    ann_file='train.json',
    test_ann_file='test.json',
    img='images/',
)
"""
OVER = CONFIGS / 'detection/yolov8/yolov8_s_8xb16-500e_coco-format.py'
DETECTOR_BASES = [
    path
    for path in sorted((CONFIGS / '_base_/detectors').glob('*.py'))
    if path.stem != 'coco_sets'
]
DATA_SETS = sorted(
    path
    for path in (CONFIGS / '_base_/datasets').glob('*.py')
    if 'data_set = ' in path.read_text()
)


def check_glass(cfg: Config) -> None:
    assert head_classes(cfg) == {2}
    for part in ('train', 'val', 'test'):
        whole = cfg[f'{part}_dataloader'].dataset
        for given in whole.get('datasets', [whole]):
            assert given.data_root == 'data/glass'
            assert given.data_prefix.img == 'images/'
            assert tuple(given.metainfo.classes) == ('chip', 'bubble')
            file = 'train.json' if part == 'train' else 'test.json'
            assert given.ann_file == file


@pytest.mark.parametrize('detector', DETECTOR_BASES, ids=lambda p: p.stem)
def test_a_detector_and_a_data_set_are_a_recipe(detector, tmp_path):
    (tmp_path / 'glass.py').write_text(GLASS)
    path = tmp_path / 'own.py'
    path.write_text(f"_base_ = [{str(detector)!r}, 'glass.py']\n")
    check_glass(load_config(path))


def test_another_data_set_by_options_or_as_in_other_projects(tmp_path):
    given = 'data_root=data/glass img=images/ classes=chip,bubble '
    given += 'ann_file=train.json test_ann_file=test.json'
    words = dict(word.split('=') for word in given.split())
    options = {key: OptionText(value) for key, value in words.items()}
    check_glass(load_config(OVER, options))
    path = tmp_path / 'own.py'
    path.write_text(f"""_base_ = {str(OVER)!r}
classes = ('chip', 'bubble')
part = dict(
    data_root='data/glass',
    data_prefix=dict(img='images/'),
    metainfo=dict(classes=classes),
)
train_dataloader = dict(dataset=dict(**part, ann_file='train.json'))
val_dataloader = dict(dataset=dict(**part, ann_file='test.json'))
test_dataloader = val_dataloader
""")
    check_glass(load_config(path))


@pytest.mark.parametrize('path', DATA_SETS, ids=lambda p: p.stem)
def test_every_data_set_suits_a_detector(path, tmp_path):
    own = tmp_path / 'own.py'
    base = CONFIGS / '_base_/detectors/faster-rcnn_r18_256px.py'
    own.write_text(f'_base_ = [{str(base)!r}, {str(path)!r}]\n')
    cfg, lines = load_config(own), Config.fromfile(path)
    train, test = (cfg[f'{p}_dataloader'].dataset for p in ('train', 'test'))
    for data_set in (train, test):
        assert data_set.data_root == lines.data_set.data_root
        assert tuple(data_set.metainfo.classes) == tuple(lines.classes)
        assert data_set.data_prefix.img == lines.data_set.img
    assert train.ann_file == lines.data_set.ann_file
    assert test.ann_file == lines.data_set.test_ann_file
    assert head_classes(cfg) == {len(lines.classes)}


def test_a_detector_without_a_data_set_is_refused(tmp_path):
    path = CONFIGS / '_base_/detectors/yolov8_s.py'
    with pytest.raises(ValueError, match='add a base that does'):
        load_config(path)
    # mmdet's and mmyolo's own data set is not trained on in its stead
    (tmp_path / 'glass.py').write_text(GLASS)
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = [{str(path)!r}, 'glass.py']\n")
    cfg = Config.fromfile(own)
    assert 'coco/' not in str(cfg.train_dataloader.dataset)
    with pytest.raises(OSError, match=r'data/glass/train\.json'):
        DATASETS.build(cfg.train_dataloader.dataset)


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('train_ann_file', 'is used while its file is read'),
        ('train_batch_size_per_gpu', 'is used while its file is read'),
        ('max_epochs', r'set .*train_cfg\.max_epochs \(500\)'),
        ('widen_factor', r'set model\.backbone\.widen_factor \(0\.5\)'),
    ],
)
def test_what_a_host_uses_as_it_is_read_is_no_option(option, message):
    with pytest.raises(KeyError, match=message):
        load_config(OVER, {option: 3})


def test_a_host_builds_the_detector_of_a_recipe_that_is_loaded():
    cfg = load_config(OVER, {'classes': ('a', 'b')})
    detector = init_detector(cfg, None, palette='random', device='cpu')
    assert detector.bbox_head.head_module.num_classes == 2


def test_classes_that_disagree_are_refused():
    cfg = load_config(OVER, {'num_classes': 3})
    with pytest.raises(ValueError, match=r'num_classes=3.*must agree'):
        check_class_counts(cfg.model, ('a', 'b'), 'classes')


def one_step(cfg: Config, surfaces):
    """Build a narrow detector, train one step; say which weights moved."""
    init_default_scope(cfg.default_scope)
    shrink(cfg)
    loader = Runner.build_dataloader(cfg.train_dataloader.to_dict(), seed=0)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.train()
    optim = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    before = {k: v.clone() for k, v in model.state_dict().items()}
    logged = model.train_step(next(iter(loader)), optim)
    assert torch.isfinite(torch.as_tensor(logged['loss']))
    after = model.state_dict()
    return {k for k in before if not torch.equal(before[k], after[k])}


# one of each detector
STEPPED = {said_by(p)['detector']: p for p in reversed(DETECTION)}
OTHERS = [p for p in DETECTION if p not in STEPPED.values()]
# what other data sets and schedules may change
FREE = {
    *('data_root', 'ann_file', 'classes', 'num_classes', 'metainfo'),
    *('test_ann_file', 'backbone_checkpoint', 'load_from'),
    *('max_epochs', 'val_interval', 'switch_epoch', 'milestones'),
    *('begin', 'end', 'T_max', 'interval', 'img'),
    *('batch_size', 'batch_size_per_gpu', 'base_batch_size'),
}


def changes(one, other, name: str = '') -> set[str]:
    """Name the innermost keys whose values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = one.keys() | other.keys()
        return {
            found
            for key in keys
            for found in changes(one.get(key), other.get(key), key)
        }
    lists = all(isinstance(each, (list, tuple)) for each in (one, other))
    if lists and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return {k for pair in pairs for k in changes(*pair, name)}
    return set() if one == other else {name}


@pytest.mark.parametrize('path', OTHERS, ids=lambda p: p.stem)
def test_other_data_change_nothing_but_paths_classes_and_schedule(path):
    said = said_by(path)
    stepped = load_config(STEPPED[said['detector']])
    found = changes(load_config(path).to_dict(), stepped.to_dict())
    assert found <= FREE, found - FREE


def types(node) -> set[str]:
    """Collect the types in a config."""
    if isinstance(node, dict):
        inner = set().union(*map(types, node.values()))
        return inner | {str(node['type'])} if 'type' in node else inner
    if isinstance(node, (list, tuple)):
        return set().union(*map(types, node))
    return set()


@pytest.mark.parametrize(
    'path', [*STEPPED.values(), *AGDP], ids=lambda p: p.stem
)
def test_all_images_are_read_by_one_reader(path):
    cfg = load_config(path)
    found = types(cfg._cfg_dict)
    assert 'mmcvgssl.LoadImage' in found
    assert not {name for name in found if 'LoadImageFrom' in name}


@pytest.mark.parametrize(
    'name',
    [
        'rtmdet/rtmdet_tiny_1xb16-300e_neu-det.py',
        'yolov8/yolov8_n_1xb16-300e_neu-det.py',
        'faster_rcnn/faster-rcnn_r18_1xb8-100e_neu-det.py',
    ],
)
def test_broken_and_deep_images_in_the_training_of_a_detector(
    name, surfaces, tmp_path, monkeypatch
):
    root = tmp_path / 'surfaces'
    shutil.copytree(surfaces, root)
    known = json.loads((root / 'mmcvgssl/train.json').read_text())['images']
    broken = root / known[0]['file_name']
    broken.write_bytes(b'')
    for image in known[1:]:
        path = root / image['file_name']
        values = np.asarray(Image.open(path).convert('L')).astype(np.uint16)
        Image.fromarray(values * 16).save(path, 'TIFF')
    seen = []
    substitute = LoadImage._load

    def load(self, results):
        loaded = substitute(self, results)
        seen.append(results['img_path'])
        return loaded

    monkeypatch.setattr(LoadImage, '_load', load)
    share = 1.5 / len(known)
    options = {'data_root': str(root), 'max_unreadable': share}
    options['val_dataloader.dataset.ann_file'] = 'mmcvgssl/train.json'
    cfg = load_config(CONFIGS / 'detection' / name, options)
    shrink(cfg)
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path / 'run'),
            'experiment_name': uuid.uuid4().hex,
            'train_cfg.max_epochs': 1,
            'train_cfg.val_interval': 9,
            'train_cfg.dynamic_intervals': None,
        }
    )
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg[key] = None
    for key in ('test_dataloader', 'test_cfg', 'test_evaluator'):
        cfg[key] = None
    runner = build_runner(cfg)
    runner.train()
    assert str(broken) not in seen
    assert set(seen) == {str(root / i['file_name']) for i in known[1:]}
    (log,) = (tmp_path / 'run').glob('*/*.log')
    text = log.read_text()
    assert 'images that cannot be read' in text
    assert f'skipping unreadable image 1: {broken}' in text
    assert 'with depth_range=(0, 4095), measured on' in text
    assert cfg.depth_range == (0, 4095)


def test_inference_detector_reads_paths_as_the_run_did(tmp_path):
    """The same picture, in 8 and in 12 bits and as an array, is one."""
    grey = np.random.default_rng(0).integers(0, 256, (90, 120), np.uint8)
    plain, deep = tmp_path / 'plain.png', tmp_path / 'deep.png'
    Image.fromarray(grey).save(plain)
    Image.fromarray(np.rint(grey / 255 * 4095).astype(np.uint16)).save(deep)
    name = 'faster_rcnn/faster-rcnn_r18_1xb8-100e_neu-det.py'
    found = []
    for options, inputs in (
        ({}, [str(plain)]),
        ({}, [np.dstack([grey] * 3)]),
        ({'depth_range': (0, 4095)}, [str(deep), str(plain)]),
    ):
        cfg = load_config(CONFIGS / 'detection' / name, options)
        shrink(cfg)
        settle_images(cfg, testing=True, paths=[str(deep)], measure=False)
        written, weights = (
            tmp_path / f'run{len(found)}.py',
            tmp_path / 'weights.pth',
        )
        cfg.dump(written)
        if not found:
            init_default_scope(cfg.default_scope)
            state = MODELS.build(cfg.model).state_dict()
            meta = dict(dataset_meta=dict(classes=NEU))
            torch.save(dict(state_dict=state, meta=meta), weights)
        detector = init_detector(
            str(written), str(weights), palette='random', device='cpu'
        )
        for sample in inference_detector(detector, inputs):
            assert sample.ori_shape == (90, 120)
            found.append(sample.pred_instances)
    assert len(found) == 4
    for one in found[1:]:
        assert len(one.scores)
        assert torch.equal(one.bboxes, found[0].bboxes)
        assert torch.equal(one.scores, found[0].scores)


@pytest.mark.parametrize(
    'name',
    [
        'faster_rcnn/faster-rcnn_r18_1xb8-100e_neu-det.py',
        'rtmdet/rtmdet_tiny_1xb16-300e_neu-det.py',
        'yolov8/yolov8_n_1xb16-300e_neu-det.py',
    ],
)
@pytest.mark.parametrize('source', ['config', 'checkpoint'])
def test_det_inferencer_reads_as_the_run_did(name, source, tmp_path):
    """Paths and arrays of one picture, at any depth and orientation."""
    deep = np.random.default_rng(0).integers(0, 4096, (90, 120), np.uint16)
    turned = Image.Exif()
    turned[0x0112] = 6  # by 90 degrees, as the array then has to lie
    Image.fromarray(np.rot90(deep).copy()).save(
        tmp_path / 'deep.tif', exif=turned
    )
    grey = LoadImage((0, 4095))({'img': deep})['img']
    (tmp_path / 'some').mkdir()
    Image.fromarray(grey).save(tmp_path / 'some' / 'grey.png')
    cfg = load_config(CONFIGS / 'detection' / name, {'depth_range': (0, 4095)})
    shrink(cfg)
    settle_images(
        *(cfg, True), paths=[str(tmp_path / 'deep.tif')], measure=False
    )
    text, run = cfg.pretty_text, tmp_path / 'run.py'
    run.write_text(text)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for key, value in model.named_parameters():
        if 'rtm_reg' in key and key.endswith('bias'):
            value.data.fill_(2.0)  # boxes of untrained heads have no area
    content = {
        'state_dict': model.state_dict(),
        'meta': {'cfg': text, 'dataset_meta': {'classes': NEU}},
    }
    torch.save(content, tmp_path / 'epoch_1.pth')
    infer = DetInferencer(
        str(run) if source == 'config' else None,
        *(str(tmp_path / 'epoch_1.pth'), 'cpu'),
        palette='random',
        show_progress=False,
    )
    found = [
        one
        for given in (
            str(tmp_path / 'deep.tif'),
            str(tmp_path / 'some'),  # a folder
            [deep, deep[..., None], grey, grey[..., 0]],
            {'img': grey, 'img_path': 'camera 1'},
        )
        for one in infer(given, return_datasamples=True)['predictions']
    ]
    assert len(found) == 7
    assert found[0].img_path == str(tmp_path / 'deep.tif')
    assert (found[2].img_path, found[-1].img_path) == (None, 'camera 1')
    for one in found:
        assert one.ori_shape == (90, 120)
        assert len(one.pred_instances)
        for key in ('bboxes', 'scores'):
            wanted = found[0].pred_instances[key]
            assert torch.equal(one.pred_instances[key], wanted)
    with pytest.raises(ValueError, match='one image at a time'):
        infer([np.zeros((8, 8, 4), np.uint8)])


def test_det_inferencer_keeps_to_mmdets_loader_elsewhere(tmp_path):
    name = 'faster_rcnn/faster-rcnn_r18_1xb8-100e_neu-det.py'
    cfg = load_config(CONFIGS / 'detection' / name)
    steps = cfg.test_dataloader.dataset.pipeline
    bare = DetInferencer.__new__(DetInferencer)
    ours = bare._init_pipeline(cfg)
    assert steps[0].type == 'mmcvgssl.LoadImage'  # as it was
    steps[0] = {'type': 'LoadImageFromFile'}
    theirs = bare._init_pipeline(cfg)
    readers = [p.transforms[0].from_file for p in (ours, theirs)]
    assert isinstance(readers[0], LoadImage)
    assert type(readers[1]).__name__ == 'LoadImageFromFile'
    del steps[0]
    with pytest.raises(ValueError, match='LoadImageFromFile'):
        bare._init_pipeline(cfg)


@pytest.mark.parametrize('path', STEPPED.values(), ids=lambda p: p.stem)
def test_a_detector_steps(path, surfaces):
    moved = one_step(on_surfaces(path, surfaces), surfaces)
    parts = {k.split('.')[0] for k in moved}
    assert {'backbone', 'neck'} <= parts
    assert parts & {'bbox_head', 'roi_head'}


@pytest.mark.parametrize('path', AGDP, ids=lambda p: p.stem)
def test_a_detector_learns_boxes_behind_a_frozen_backbone(path, surfaces):
    options = {'img': str(surfaces), 'ann_file': str(surfaces / 'boxes.json')}
    moved = one_step(load_config(path, options), surfaces)
    parts = {k.split('.')[0] for k in moved}
    assert 'backbone' not in parts
    assert 'neck' in parts
    assert parts & {'bbox_head', 'roi_head'}


@pytest.mark.parametrize('name', CHAINS)
def test_stages_normalise_images_alike(name):
    backbone, agdp, folder, schedule = CHAINS[name]
    images = [
        load_config(CONFIGS / path).model.data_preprocessor
        for path in (
            f'pretrain/agbp/agbp_{backbone}_1xb32-30e_folder.py',
            f'pretrain/agdp/agdp_{name}_{agdp}_pseudo-boxes.py',
            f'detection/{folder}/{name}_{schedule}_neu-det.py',
        )
    ]
    assert len({(*cfg.mean, *cfg.std) for cfg in images}) == 1
    # all images are read as BGR
    keys = ('to_rgb', 'bgr_to_rgb')
    assert len({any(map(cfg.get, keys)) for cfg in images}) == 1


@pytest.mark.parametrize('name', CHAINS)
def test_weights_pass_from_stage_to_stage(name, surfaces, tmp_path):
    backbone, agdp, folder, schedule = CHAINS[name]
    paths = [
        f'pretrain/agbp/agbp_{backbone}_1xb32-30e_folder.py',
        f'pretrain/agdp/agdp_{name}_{agdp}_pseudo-boxes.py',
        f'detection/{folder}/{name}_{schedule}_neu-det.py',
    ]
    root = str(surfaces)
    runs = [tmp_path / stage for stage in ('agbp', 'agdp', 'agssp')]
    given = [
        {'data_root': root, 'maps': f'{root}/maps', 'crop_size': 64},
        {
            'img': root,
            'ann_file': f'{root}/boxes.json',
            'backbone_checkpoint': str(runs[0] / 'epoch_1.pth'),
        },
        {'data_root': root, 'load_from': str(runs[1] / 'epoch_1.pth')},
    ]
    if name == 'faster-rcnn_r18':
        for options in given[1:]:
            options['model.roi_head.bbox_head.fc_out_channels'] = 32
            options['model.train_cfg.rpn_proposal.max_per_img'] = 50
            options['model.test_cfg.rpn.max_per_img'] = 50
            options['train_dataloader.dataset.pipeline.2.scale'] = (96, 96)
        given[2]['val_dataloader.dataset.pipeline.1.scale'] = (96, 96)
        given[2]['model.backbone.frozen_stages'] = 2
    for path, run, options in zip(paths, runs, given, strict=True):
        runner = make_runner(CONFIGS / path, run, options)
        runner.train()
    states = [
        torch.load(run / 'epoch_1.pth', weights_only=True)['state_dict']
        for run in runs
    ]
    inner = {
        k: v
        for k, v in states[0].items()
        if k.startswith('backbone.') and 'batches_tracked' not in k
    }
    assert len(inner) > 50
    for key, value in inner.items():
        assert torch.equal(states[1][key], value), key
    log = next(runs[2].glob('*/*.log')).read_text()
    anew = re.search(r'(\d+) start anew: (.+)', log)
    shapes = {
        k
        for k, v in states[2].items()
        if k in states[1] and v.shape != states[1][k].shape
    }
    assert shapes
    assert int(anew[1]) == len(shapes)
    assert all(key in anew[2] for key in shapes)
    assert 'coco/bbox_mAP_50' in log


@pytest.mark.parametrize(
    'name',
    [
        'rtmdet/rtmdet_tiny_1xb16-300e_neu-det.py',
        'yolov8/yolov8_n_1xb16-300e_neu-det.py',
        'faster_rcnn/faster-rcnn_r18_1xb8-100e_neu-det.py',
        'dino/dino-4scale_swin-b_8xb2-50e_coco-format.py',
    ],
)
def test_a_detector_trains_validates_resumes_and_predicts(
    name, surfaces, tmp_path
):
    def make(epochs: int, **more) -> Runner:
        cfg = on_surfaces(CONFIGS / 'detection' / name, surfaces)
        shrink(cfg)
        cfg.merge_from_dict(
            {
                'work_dir': str(tmp_path),
                'experiment_name': uuid.uuid4().hex,
                'train_cfg.max_epochs': epochs,
                'train_cfg.val_interval': 1,
                'train_cfg.dynamic_intervals': None,
                'default_hooks.checkpoint.interval': 1,
                'default_hooks.logger.interval': 1,
                **more,
            }
        )
        return build_runner(cfg)

    first = make(1)
    check_before_training(first)
    first.train()
    assert (
        0 <= first.message_hub.get_scalar('val/coco/bbox_mAP').current() <= 1
    )
    second = make(2, resume=True)
    second.train()
    assert second.iter == 2 * first.iter
    third = make(2, load_from=str(tmp_path / 'epoch_2.pth'))
    assert 'coco/bbox_mAP_50' in third.test()
    trained = torch.load(tmp_path / 'epoch_2.pth', weights_only=True)
    trained = trained['state_dict']
    for key, value in third.model.state_dict().items():
        assert torch.equal(value, trained[key]), key
    third.model.eval()
    batch = next(iter(third.test_dataloader))
    with torch.no_grad():
        for sample in third.model.test_step(batch):
            found = sample.pred_instances
            assert len(found.bboxes) == len(found.scores) == len(found.labels)
            assert set(found.labels.tolist()) <= set(range(len(NEU)))
            assert torch.isfinite(found.bboxes).all()
            height, width = sample.ori_shape
            limits = found.bboxes.new_tensor([width, height] * 2)
            assert (found.bboxes >= 0).all()
            assert (found.bboxes <= limits + 0.01).all()


@pytest.mark.parametrize(
    'name',
    [
        'rtmdet/rtmdet_tiny_1xb16-300e_neu-det.py',
        'yolov8/yolov8_n_1xb16-300e_neu-det.py',
        'faster_rcnn/faster-rcnn_r18_1xb8-100e_neu-det.py',
        'dino/dino-4scale_swin-b_8xb2-50e_coco-format.py',
    ],
)
def test_good_and_thin_images_are_learned_from_alike(
    name, tmp_path, kept_outputs
):
    """A batch of good images alone, too, is a step of any detector."""
    root = write_surfaces(tmp_path, 4)
    Image.new('RGB', (SIZE, 24), 'gray').save(root / '0.png')
    for part in ('train', 'test'):
        file = write_boxes(root / f'mmcvgssl/{part}.json', NEU, 4)
        content = json.loads(file.read_text())
        content['images'][0]['height'] = 24
        file.write_text(json.dumps({**content, 'annotations': []}))
    cfg = on_surfaces(CONFIGS / 'detection' / name, root)
    cfg.work_dir, cfg.launcher = str(tmp_path / 'run'), 'none'
    with pytest.raises(AnnotationError, match='nothing from good images'):
        build_runner(cfg)
    assert one_step(deepcopy(cfg), root)
    shrink(cfg)
    built = Runner.build_dataloader(cfg.train_dataloader.to_dict(), seed=0)
    assert len(built.dataset) == 4

    cfg.merge_from_dict(
        {
            'experiment_name': uuid.uuid4().hex,
            'load_from': None,
            'backbone_checkpoint': '',
        }
    )
    limits = (0.001, 0.3)
    alarms = dict(type='mmcvgssl.FalseAlarms', thresholds=limits)
    cfg.test_evaluator = [cfg.test_evaluator, alarms]
    runner = build_runner(cfg, testing=True)
    runner.register_hook(kept_outputs)
    metrics = runner.test()
    assert metrics['false_alarms/good_images'] == 4
    scores = [s.pred_instances.scores for s in kept_outputs.samples]
    for limit in limits:
        above = [int((own >= limit).sum()) for own in scores]
        key = f'false_alarms/{{}}_{limit:g}'
        assert metrics[key.format('boxes')] == sum(above) / 4
        assert metrics[key.format('images')] == np.count_nonzero(above) / 4
    assert metrics.get('coco/bbox_mAP', -1) == -1
