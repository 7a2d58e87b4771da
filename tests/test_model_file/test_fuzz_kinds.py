"""Classifiers and detectors that others have changed run no code."""

import contextlib
import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from safetensors.torch import save

from mmcvgssl.apis.export_model import export_model
from mmcvgssl.model_file import classifier, detector, load_model
from mmcvgssl.models.anomaly.fitted_state import read_notes, read_tensors
from mmcvgssl.registry import MODELS
from tests.test_weights.test_fuzz import (
    BACKBONE,
    FUZZ,
    NAMES,
    STEPS,
    VALUES,
    Watch,
    changed,
    check,
    texts,
)

EXAMPLES = 120  # of each kind
CLASSIFIER = {
    **{'type': 'mmcvgssl.ProbeClassifier', 'backbone': BACKBONE},
    **{'num_classes': 2, 'in_channels': 4},
    **{'mean': [1.0, 2.0, 3.0], 'std': [1.0, 1.0, 1.0]},
}
CODER = {
    'type': 'DeltaXYWHBBoxCoder',
    'target_means': [0.0] * 4,
    'target_stds': [1.0] * 4,
}
BOX_HEAD = {
    **{'type': 'Shared2FCBBoxHead', 'in_channels': 4, 'roi_feat_size': 2},
    **{'fc_out_channels': 4, 'num_classes': 2, 'bbox_coder': CODER},
    'loss_cls': {'type': 'CrossEntropyLoss'},
    'loss_bbox': {'type': 'L1Loss'},
}
ROI_HEAD = {
    'type': 'StandardRoIHead',
    'bbox_roi_extractor': {
        **{'type': 'SingleRoIExtractor', 'out_channels': 4},
        'roi_layer': {'type': 'RoIAlign', 'output_size': 2},
        'featmap_strides': [4],
    },
    'bbox_head': BOX_HEAD,
}
RPN_HEAD = {
    **{'type': 'RPNHead', 'in_channels': 4, 'feat_channels': 4},
    'anchor_generator': {
        **{'type': 'AnchorGenerator', 'scales': [8], 'ratios': [1.0]},
        'strides': [4],
    },
    'bbox_coder': CODER,
    'loss_cls': {'type': 'CrossEntropyLoss', 'use_sigmoid': True},
    'loss_bbox': {'type': 'L1Loss'},
}
NMS = {'type': 'nms', 'iou_threshold': 0.5}
DETECTOR = {
    **{'type': 'FasterRCNN', '_scope_': 'mmdet', 'backbone': BACKBONE},
    'data_preprocessor': {
        **{'type': 'DetDataPreprocessor', 'mean': [1.0] * 3},
        **{'std': [1.0] * 3, 'bgr_to_rgb': True},
    },
    'neck': {
        **{'type': 'FPN', 'in_channels': [4], 'out_channels': 4},
        'num_outs': 1,
    },
    **{'rpn_head': RPN_HEAD, 'roi_head': ROI_HEAD, 'train_cfg': None},
    'test_cfg': {
        'rpn': {
            **{'nms_pre': 9, 'max_per_img': 9, 'nms': NMS},
            'min_bbox_size': 0,
        },
        'rcnn': {'score_thr': 0.0, 'nms': NMS, 'max_per_img': 5},
    },
}
BOX_STEPS = [
    {'type': 'mmcvgssl.LoadImage'},
    {'type': 'mmdet.Resize', 'scale': [32, 32], 'keep_ratio': True},
    {
        'type': 'mmdet.PackDetInputs',
        'meta_keys': ['img_shape', 'ori_shape', 'scale_factor'],
    },
]
MORE_VALUES = st.one_of(
    VALUES,
    st.sampled_from(
        [
            *('GLIP', 'GroundingDINO', 'mmdet.LAD', 'ATSSVLFusionHead'),
            *('mmdet.BertModel', 'KnowledgeDistillationSingleStageDetector'),
            *('mmyolo.YOLODetector', 'RTMDet', 'soft_nms', '__import__'),
            {'type': '__import__', 'iou_threshold': 0.5},
            {'type': 'mmdet.BertModel', 'name': 'bert-base-uncased'},
            {'type': 'AppearanceFreeLink', 'checkpoint': '/etc/passwd'},
            {'type': 'MaxIoUAssigner', 'pos_iou_thr': 0.5},
            {'type': 'CameraMotionCompensation', 'warp_mode': 'exit()'},
        ]
    ),
)
MORE_NAMES = st.one_of(
    NAMES,
    st.sampled_from(
        [
            *('neck', 'rpn_head', 'roi_head', 'bbox_head', 'nms', 'roi_layer'),
            *('teacher_config', 'teacher_ckpt', 'language_model', 'test_cfg'),
            *('lang_model_name', 'train_cfg', 'num_classes', 'teacher'),
        ]
    ),
)


@pytest.fixture(scope='module')
def watch():
    return Watch()


@pytest.fixture(scope='module')
def sound():
    """Return what sound files say, by kind, and their tensors."""
    for host in ('mmdet', 'mmyolo'):
        pytest.importorskip(f'{host}.models')
    model = MODELS.build(dict(copy.deepcopy(CLASSIFIER), init_backbone=False))
    made = {
        'classifier': classifier.to_file(model, CLASSIFIER, STEPS, 'ab'),
    }
    net = detector.build(DETECTOR, {'x': torch.ones(9999)}, 'ours')
    made['detector'] = detector.to_file(net, DETECTOR, BOX_STEPS, 'ab')
    files = {kind: content.to_bytes() for kind, content in made.items()}
    return {k: (read_notes(v), read_tensors(v)) for k, v in files.items()}


def use(path) -> str:
    """Load a file and predict with it; return why it is not loaded."""
    try:
        loaded = load_model(path)
    except ValueError as error:
        return str(error)
    results = {
        **{'img': torch.zeros(32, 32, 3).byte().numpy()},
        **{'img_shape': (32, 32), 'ori_shape': (32, 32)},
    }
    with contextlib.suppress(Exception):  # such a model may well not work
        for step in loaded.transforms[1:]:
            results = step(results)
        loaded.model.test_step(pseudo_collate([results]))
    return ''


@pytest.mark.parametrize('kind', ['classifier', 'detector'])
def test_sound_files_predict(sound, tmp_path, kind):
    notes, saved = sound[kind]
    path = tmp_path / 'ours.safetensors'
    path.write_bytes(save(saved, texts(notes)))
    loaded = load_model(path)
    results = {
        **{'img': torch.zeros(32, 32, 3).byte().numpy()},
        **{'img_shape': (32, 32), 'ori_shape': (32, 32)},
    }
    for step in loaded.transforms[1:]:
        results = step(results)
    (sample,) = loaded.model.test_step(pseudo_collate([results]))
    assert 'pred_score' in sample or len(sample.pred_instances) > 0


@pytest.mark.parametrize('kind', ['classifier', 'detector'])
def test_no_model_file_runs_code(watch, sound, tmp_path, kind):
    path = tmp_path / 'theirs.safetensors'
    notes, saved = sound[kind]
    use_parts = st.sampled_from([*sorted(notes), *['model'] * 12, 'images'])

    @settings(FUZZ, max_examples=EXAMPLES)
    @given(st.data())
    def fuzz(data):
        part = data.draw(use_parts)
        values = changed([notes[part]], MORE_NAMES, MORE_VALUES)
        theirs = data.draw(values)[:1]
        said = {**notes, part: theirs[0] if theirs else None}
        path.write_bytes(save(saved, texts(said)))
        with watch:
            why = use(path)
        check(watch, why)

    fuzz()
    DefaultScope._instance_dict.clear()


def test_no_config_in_a_detectors_checkpoint_runs_code(watch, sound, tmp_path):
    _, saved = sound['detector']
    start = 'weights.0.'
    state = {k.removeprefix(start): v for k, v in saved.items()}
    data_set = {'pipeline': BOX_STEPS, 'metainfo': {'classes': ['a', 'b']}}
    config = {'model': DETECTOR, 'test_dataloader': {'dataset': data_set}}
    file, out = tmp_path / 'a.pth', tmp_path / 'out' / 'a.safetensors'
    out.parent.mkdir()

    def export(saved):
        text = '\n'.join(f'{key} = {value!r}' for key, value in saved.items())
        torch.save({'state_dict': state, 'meta': {'cfg': text}}, file)
        with watch:
            try:
                export_model(file, out)
                said = ''
            except ValueError as error:
                said = str(error)
        own = str(out.parent)  # where the file is written
        return said, [e for e in watch.seen if own not in e[1]]

    assert export(config) == ('', [])
    assert load_model(out).content.classes == ['a', 'b']

    @settings(FUZZ, max_examples=EXAMPLES // 2)
    @given(changed(config, MORE_NAMES, MORE_VALUES))
    def fuzz(theirs):
        said, seen = export(theirs)
        assert seen == []
        assert len(said) < 2000

    fuzz()
