"""A file gives the boxes that the hosts' inference gives, to the digit."""

import copy
import json

import mmyolo.models  # noqa: F401  (registers detectors)
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.apis import inference_detector, init_detector
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope, init_default_scope

from mmcvgssl.apis import load_config
from mmcvgssl.apis.export_model import export_model
from mmcvgssl.model_file import ModelFile, load_model
from mmcvgssl.model_file.steps import detection_steps
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import WeightsError
from tests.boxes import shrink
from tests.data import CONFIGS, picture

pytestmark = pytest.mark.usefixtures('quick_configs')

NAMES = {
    'rtmdet': 'rtmdet/rtmdet_tiny_1xb8-60e_magnetic-tile.py',
    'yolov8': 'yolov8/yolov8_n_1xb8-60e_magnetic-tile.py',
    'yolov8 of a package': 'yolov8/yolov8_n-lite0_1xb16-300e_neu-det.py',
    'faster_rcnn': 'faster_rcnn/faster-rcnn_r18_1xb8-100e_neu-det.py',
    'dino': 'dino/dino-4scale_swin-b_8xb2-50e_coco-format.py',
}
HOST_READER = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='Resize', scale=(96, 64), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
        ),
    ),
]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Return a small detector's config and checkpoint, each made once."""
    folder = tmp_path_factory.mktemp('trained')
    picture(0, 90).save(folder / 'image.png')
    known = {}

    def make(name: str) -> tuple[Config, dict]:
        if name not in known:
            cfg = load_config(CONFIGS / 'detection' / NAMES[name])
            shrink(cfg)
            if name == 'dino':
                cfg.model.test_cfg.max_per_img = cfg.model.num_queries
            if name == 'faster_rcnn':
                cfg.test_dataloader.dataset.pipeline = HOST_READER
            init_default_scope(cfg.default_scope)
            torch.manual_seed(0)
            model = MODELS.build(copy.deepcopy(cfg.model))
            if name == 'dino':  # what it is made of is left as it lies
                torch.nn.init.normal_(model.level_embed)
            for key, value in model.named_parameters():
                if 'cls' in key and key.endswith('bias'):
                    value.data.add_(2 * torch.randn_like(value))
                if 'rtm_reg' in key and key.endswith('bias'):
                    value.data.fill_(2)  # untrained, its boxes are points
            meta = {
                'cfg': cfg.pretty_text,
                'dataset_meta': dict(cfg.test_dataloader.dataset.metainfo),
            }
            known[name] = (
                cfg,
                {'state_dict': model.state_dict(), 'meta': meta},
            )
        cfg, saved = known[name]
        return cfg, {**saved, 'meta': dict(saved['meta'])}

    make.image = str(folder / 'image.png')
    return make


def save(saved: dict, folder) -> str:
    path = folder / 'epoch_60.pth'
    torch.save(saved, path)
    return str(path)


def check_same(found, expected) -> None:
    assert len(found) > 0
    for key in ('bboxes', 'scores', 'labels'):
        assert torch.equal(found[key], expected[key]), key


@pytest.mark.parametrize('name', NAMES)
def test_boxes_are_those_of_inference_detector(trained, tmp_path, name):
    cfg, saved = trained(name)
    checkpoint, file = save(saved, tmp_path), tmp_path / 'model.safetensors'
    written = export_model(checkpoint, file)

    init_default_scope('mmpretrain')  # whatever has run before
    loaded = load_model(file)
    steps = Compose(loaded.transforms)
    batch = pseudo_collate([steps({'img_path': trained.image})])
    (sample,) = loaded.model.test_step(batch)

    host = init_detector(copy.deepcopy(cfg), checkpoint, device='cpu')
    expected = inference_detector(host, trained.image)
    check_same(sample.pred_instances, expected.pred_instances)
    classes = list(cfg.test_dataloader.dataset.metainfo.classes)
    assert loaded.content.classes == classes
    assert loaded.model.dataset_meta['classes'] == tuple(classes)
    assert loaded.content.settings == {'score_threshold': 0.3}
    said = written.describe()
    assert f'detector model {cfg.model.type}' in said
    assert 'weights of epoch_60.pth: in this file' in said
    assert ('GPL' in said) == name.startswith('yolov8')


def test_a_config_of_the_user_takes_precedence(trained, tmp_path):
    cfg, saved = trained('yolov8')
    saved['meta'].pop('cfg')
    checkpoint, file = save(saved, tmp_path), tmp_path / 'model.safetensors'
    with pytest.raises(ValueError, match='--config'):
        export_model(checkpoint, file)
    own = tmp_path / 'own.py'
    own.write_text(cfg.pretty_text)
    options = {'model.test_cfg.max_per_img': 2}
    export_model(checkpoint, file, own, 0.5, options, ['mine alone'])
    loaded = load_model(file)
    assert loaded.model.bbox_head.test_cfg.max_per_img == 2
    assert loaded.content.settings == {'score_threshold': 0.5}
    assert loaded.content.licences[0] == 'mine alone'
    with pytest.raises(ValueError, match='--config CFG'):
        export_model(checkpoint, file, options=options)


def test_deep_images_are_read_as_in_the_training(trained, tmp_path):
    cfg, saved = trained('yolov8')
    saved['meta']['cfg'] += '\ndepth_range = (0, 4095)\n'
    checkpoint, own = save(saved, tmp_path), tmp_path / 'own.py'
    own.write_text(cfg.pretty_text)
    content = export_model(checkpoint, tmp_path / 'a.safetensors', own)
    first = content.images['pipeline'][0]
    assert list(first['depth_range']) == [0, 4095]


def cfg_text(**changes):
    """Change the text of the checkpoint's config."""

    def change(saved):
        for old, new in changes.items():
            text = saved['meta']['cfg']
            assert old in text
            saved['meta']['cfg'] = text.replace(old, new)

    return change


def other_meta(**values):
    return lambda saved: saved['meta'].update(**values)


def less_weights(saved):
    state = dict(saved['state_dict'])
    state.popitem()
    saved['state_dict'] = state


def nan_weights(saved):
    state = dict(saved['state_dict'])
    key = next(iter(state))
    state[key] = state[key] + float('nan')
    saved['state_dict'] = state


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (other_meta(dataset_meta={'classes': ('a', 'b')}), 'must agree'),
        (other_meta(dataset_meta={'classes': 'defect'}), 'a list of names'),
        (cfg_text(num_classes='num_klasses'), 'one that cannot'),
        (cfg_text(YOLODetector='YoloDetector'), 'a detector, as registered'),
        (cfg_text(YOLOv8PAFPN='SGD'), 'a part of a detector'),
        (cfg_text(LetterResize='Mosaic'), 'one of LoadImage'),
        (cfg_text(test_dataloader='dataloader'), 'test_dataloader.dataset'),
        (less_weights, 'the model misses'),
        (nan_weights, 'NaN'),
    ],
)
def test_what_cannot_be_exported_is_said(trained, tmp_path, change, said):
    _, saved = trained('yolov8')
    change(saved)
    file = tmp_path / 'a.safetensors'
    with pytest.raises(ValueError, match=said):
        export_model(save(saved, tmp_path), file)
    assert not file.exists()


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ({'out': 'a.pth'}, 'ends in .safetensors'),
        ({'score_threshold': 1.5}, r'in \[0, 1\]'),
        ({'config': 'none.py'}, 'none.py'),
        ({'checkpoint': 'none.pth'}, 'none.pth'),
    ],
)
def test_options_are_checked_first(tmp_path, arguments, said):
    given = {'checkpoint': 'x.pth', 'out': 'a.safetensors', **arguments}
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        export_model(**given)


@pytest.fixture(scope='module')
def file(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp('file')
    _, saved = trained('faster_rcnn')
    export_model(save(saved, folder), folder / 'model.safetensors')
    DefaultScope._instance_dict.clear()
    return folder / 'model.safetensors'


@pytest.fixture
def content(file):
    return ModelFile.read(file)


ROI = ('roi_head', 'bbox_roi_extractor')


@pytest.mark.parametrize(
    ('place', 'key', 'value', 'said'),
    [
        (('backbone',), 'type', 'os.system', 'a backbone of a host'),
        (('backbone',), 'init_cfg', {'type': 'os.system'}, 'initialisation'),
        (('neck',), 'type', 'os.system', 'a part of a detector'),
        (('neck',), 'type', 'torch.load', 'a part of a detector'),
        (('neck',), 'type', 'mmdet.BertModel', 'a part of a detector'),
        (('neck',), 'type', 'FasterRCNN', 'a part of a detector'),
        (('neck',), 'out_channels', 1 << 16, 'far larger|that cannot'),
        (('neck',), 'out_channels', 10**12, 'a number up to'),
        (('neck',), 'norm_cfg', {'type': 'evil.x'}, 'a part of a detector'),
        (('rpn_head', 'loss_cls'), 'type', 'SGD', 'a part of a detector'),
        (('rpn_head', 'bbox_coder'), 'type', 'Runner', 'a part of a'),
        (('roi_head', 'bbox_head'), 'type', 'ATSSVLFusionHead', 'a part'),
        ((*ROI, 'roi_layer'), 'type', 'info', 'one of RoIAlign'),
        (('test_cfg', 'rcnn', 'nms'), 'type', '__import__', 'one of nms'),
        (('test_cfg', 'rcnn', 'nms'), 'type', ['nms'], 'one of nms'),
        (('test_cfg',), 'path', '/etc/passwd', 'plain words'),
        (('test_cfg',), 'x', {'_scope_': 'os'}, 'one of mmcvgssl'),
        ((), '_scope_', 'antigravity', 'one of mmcvgssl'),
        ((), 'type', 'mmdet.LAD', 'a detector, as registered'),
        ((), 'type', 'mmdet.FPN', 'a detector, as registered'),
        ((), 'type', None, 'a detector, as registered'),
        ((), 'backbone', None, 'a config with a type'),
        ((), 'surprise', 1, 'one that cannot'),
        ((), 'data_preprocessor', {'type': 'mmdet.SSDHead'}, 'that cannot'),
    ],
)
def test_what_no_file_may_name(content, tmp_path, place, key, value, said):
    node = content.model
    for name in place:
        node = node[name]
    node[key] = value
    path = tmp_path / 'theirs.safetensors'
    content.write(path)
    with pytest.raises(WeightsError, match=said):
        load_model(path)


def no_weights(content):
    content.weights = [
        type(part)(part.parts, part.digest, part.source, False)
        for part in content.weights
    ]


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda c: c.classes.pop(), 'lists 5 classes'),
        (lambda c: c.classes.append('scratches'), 'that differ'),
        (lambda c: c.settings.clear(), 'score_threshold'),
        (lambda c: c.settings.update(score_threshold='x'), 'in \\[0, 1\\]'),
        (lambda c: c.settings.update(score_threshold=True), 'in \\[0, 1\\]'),
        (lambda c: c.weights.clear(), 'expected weights of'),
        (no_weights, 'expected|alone'),
        # not the last, which may be a counter that nothing reads
        (
            lambda c: c.tensors.pop('weights.0.rpn_head.rpn_cls.bias'),
            'misses|damaged',
        ),
        (lambda c: c.tensors.update(x=torch.ones(1)), "alone, got 'x'"),
        (lambda c: c.images.update(pipeline=[]), 'load an image first'),
        (lambda c: c.images['pipeline'].pop(0), 'load an image first'),
        (lambda c: c.images['pipeline'].pop(), 'and pack it last'),
        (
            lambda c: c.images['pipeline'].insert(0, {'type': 'os.system'}),
            'one of LoadImage',
        ),
        (
            lambda c: c.tensors['weights.0.rpn_head.rpn_cls.bias'].add_(1),
            'damaged',
        ),
    ],
)
def test_parts_of_a_file_belong_together(content, tmp_path, change, said):
    change(content)
    path = tmp_path / 'theirs.safetensors'
    content.write(path)
    with pytest.raises(ValueError, match=said):
        load_model(path)


def test_a_file_of_yolo_needs_mmyolo(trained, tmp_path, monkeypatch):
    _, saved = trained('yolov8')
    file = tmp_path / 'model.safetensors'
    export_model(save(saved, tmp_path), file)

    def missing(name):
        raise ModuleNotFoundError(f'needs `{name}`', name=name)

    monkeypatch.setattr('mmcvgssl.weights.safe_config.require', missing)
    with pytest.raises(ModuleNotFoundError, match='mmyolo'):
        load_model(file)


def test_names_of_transforms_are_those_of_their_scope():
    steps = [*HOST_READER, dict(type='FixShapeResize', width=8, height=8)]
    made = [step['type'] for step in detection_steps(steps)]
    assert made == [
        'mmengine.LoadImageFromFile',
        *('mmdet.Resize', 'mmdet.PackDetInputs', 'mmdet.FixShapeResize'),
    ]


def test_the_file_is_json_and_tensors_alone(file, content):
    data = file.read_bytes()
    size = int.from_bytes(data[:8], 'little')
    notes = json.loads(data[8 : 8 + size])['__metadata__']
    assert {*map(type, notes.values())} == {str}
    model = json.loads(notes['model'])
    assert model == content.model
    assert model['_scope_'] == 'mmdet'
    assert 'checkpoint' not in json.dumps(model)
    assert '/' not in notes['images'] + notes['model']
