"""Detectors of mmdet, and detectors in tiles, say what PyTorch says.

Needs the extra ``export``.
"""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import export_graph as api
from mmcvgssl.apis.export_graph import export_graph
from mmcvgssl.apis.export_model import export_model
from mmcvgssl.apis.exported_predictor import ExportedPredictor
from mmcvgssl.apis.predict import Predictor
from mmcvgssl.export.check import ExportCheckError, compare
from mmcvgssl.model_file import load_model
from mmcvgssl.registry import MODELS
from tests.data import picture, write_images
from tests.test_export.test_export_graph import needs_extra, write_detector

SIDE = 64
NORMALISED = dict(
    type='mmdet.DetDataPreprocessor',
    mean=[120.0, 110.0, 100.0],
    std=[60.0, 50.0, 55.0],
    bgr_to_rgb=True,
)
BACKBONE = dict(
    type='mmdet.ResNet',
    depth=18,
    base_channels=8,
    stem_channels=8,
    num_stages=2,
    strides=(1, 2),
    dilations=(1, 1),
    out_indices=(0, 1),
)
NMS = dict(type='nms', iou_threshold=0.5)


def faster_rcnn():
    """Describe a Faster R-CNN of two levels."""
    coder = dict(type='mmdet.DeltaXYWHBBoxCoder')
    return dict(
        type='mmdet.FasterRCNN',
        train_cfg=None,
        data_preprocessor=dict(NORMALISED, pad_size_divisor=32),
        backbone=BACKBONE,
        neck=dict(
            type='mmdet.FPN', in_channels=[8, 16], out_channels=8, num_outs=3
        ),
        rpn_head=dict(
            type='mmdet.RPNHead',
            in_channels=8,
            feat_channels=8,
            anchor_generator=dict(
                type='mmdet.AnchorGenerator',
                scales=[4],
                ratios=[0.5, 1.0],
                strides=[4, 8, 16],
            ),
            bbox_coder=coder,
        ),
        roi_head=dict(
            type='mmdet.StandardRoIHead',
            bbox_roi_extractor=dict(
                type='mmdet.SingleRoIExtractor',
                roi_layer=dict(
                    type='RoIAlign', output_size=3, sampling_ratio=0
                ),
                out_channels=8,
                featmap_strides=[4, 8],
                finest_scale=16,
            ),
            bbox_head=dict(
                type='mmdet.Shared2FCBBoxHead',
                in_channels=8,
                fc_out_channels=16,
                roi_feat_size=3,
                num_classes=2,
                bbox_coder=coder,
            ),
        ),
        test_cfg=dict(
            rpn=dict(
                nms_pre=60, max_per_img=20, nms=dict(NMS), min_bbox_size=0
            ),
            rcnn=dict(score_thr=0.05, nms=dict(NMS), max_per_img=30),
        ),
    )


def dino():
    """Describe a DINO of two levels and one layer a side."""
    attention = dict(embed_dims=16, num_heads=2)
    deformable = dict(embed_dims=16, num_heads=2, num_levels=2, num_points=2)
    ffn = dict(embed_dims=16, feedforward_channels=16)
    return dict(
        type='mmdet.DINO',
        num_queries=12,
        as_two_stage=True,
        with_box_refine=True,
        num_feature_levels=2,
        data_preprocessor=dict(NORMALISED, pad_size_divisor=1),
        backbone=BACKBONE,
        neck=dict(
            type='mmdet.ChannelMapper',
            in_channels=[8, 16],
            out_channels=16,
            num_outs=2,
        ),
        encoder=dict(
            num_layers=1,
            layer_cfg=dict(self_attn_cfg=deformable, ffn_cfg=ffn),
        ),
        decoder=dict(
            num_layers=1,
            return_intermediate=True,
            post_norm_cfg=None,
            layer_cfg=dict(
                self_attn_cfg=attention,
                cross_attn_cfg=deformable,
                ffn_cfg=ffn,
            ),
        ),
        positional_encoding=dict(num_feats=8, normalize=True),
        bbox_head=dict(
            type='mmdet.DINOHead',
            num_classes=2,
            embed_dims=16,
            loss_cls=dict(type='mmdet.FocalLoss', use_sigmoid=True),
        ),
        dn_cfg=dict(
            label_noise_scale=0.5,
            box_noise_scale=1.0,
            group_cfg=dict(dynamic=True, num_dn_queries=4),
        ),
        test_cfg=dict(max_per_img=10),
    )


def rtmdet():
    """Describe an RTMDet of two levels, of which boxes reach outside."""
    return dict(
        type='mmdet.RTMDet',
        train_cfg=None,
        data_preprocessor=dict(NORMALISED, pad_size_divisor=32),
        backbone=BACKBONE,
        neck=dict(
            type='mmdet.CSPNeXtPAFPN',
            in_channels=[8, 16],
            out_channels=8,
            num_csp_blocks=1,
        ),
        bbox_head=dict(
            type='mmdet.RTMDetSepBNHead',
            num_classes=2,
            in_channels=8,
            feat_channels=8,
            stacked_convs=1,
            exp_on_reg=True,
            with_objectness=False,
            anchor_generator=dict(
                type='mmdet.MlvlPointGenerator', offset=0, strides=[4, 8]
            ),
            bbox_coder=dict(type='mmdet.DistancePointBBoxCoder'),
            loss_cls=dict(type='mmdet.QualityFocalLoss', use_sigmoid=True),
            loss_bbox=dict(type='mmdet.GIoULoss'),
        ),
        test_cfg=dict(
            nms_pre=30000,
            min_bbox_size=0,
            score_thr=0.001,
            nms=NMS,
            max_per_img=50,
        ),
    )


def write(folder, model, threshold=0.3):
    """Write a model file of a detector with random weights."""
    cfg = Config(
        dict(
            model=model,
            default_scope='mmdet',
            test_dataloader=dict(
                dataset=dict(
                    metainfo=dict(classes=('dent', 'scratch')),
                    pipeline=[
                        dict(type='mmcvgssl.LoadImage'),
                        dict(
                            type='mmdet.Resize',
                            scale=(SIDE, SIDE),
                            keep_ratio=True,
                        ),
                        dict(
                            type='mmdet.PackDetInputs',
                            meta_keys=(
                                *('img_path', 'ori_shape', 'img_shape'),
                                'scale_factor',
                            ),
                        ),
                    ],
                )
            ),
        )
    )
    init_default_scope('mmdet')
    torch.manual_seed(0)
    built = MODELS.build(copy.deepcopy(cfg.model))
    for name, value in built.named_parameters():
        # scores and boxes that differ from place to place
        if any(part in name for part in ('fc_cls', 'cls_branch', 'rtm_')):
            value.data.normal_(0, 0.5)
        if 'level_embed' in name:  # memory as it was, until weights are drawn
            value.data.normal_()
    torch.save(
        {'state_dict': built.state_dict(), 'meta': {'cfg': cfg.pretty_text}},
        folder / 'e.pth',
    )
    path = folder / 'model.safetensors'
    export_model(folder / 'e.pth', path, score_threshold=threshold)
    init_default_scope('mmpretrain')
    return path


@pytest.fixture
def images(tmp_path):
    """Write pictures of one shape, which the detector pads."""
    return shaped(tmp_path / 'images', (80, 50), 4)


def shaped(folder, size, count):
    folder.mkdir(exist_ok=True)
    for i in range(count):
        random = np.random.default_rng(i)
        coarse = random.integers(0, 256, (5, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize(size).save(folder / f'{i}.png')
    return folder


@needs_extra
@pytest.mark.parametrize('describe', [faster_rcnn, dino, rtmdet])
def test_a_detector_of_mmdet_finds_what_pytorch_finds(
    describe, images, tmp_path
):
    path, out = write(tmp_path, describe()), tmp_path / 'model.onnx'
    made = export_graph(path, out, images)
    assert made.input == dict(height=40, width=SIDE)
    paths = sorted(map(str, images.iterdir()))
    expected = [*Predictor(path, device='cpu', threshold=0)(paths)]
    assert min(p.count for p in expected) > 1
    for batch_size in (1, 3):
        found = ExportedPredictor(out, threshold=0, batch_size=batch_size)
        compare(expected, found(paths), 1e-3)
    # of another shape
    other = shaped(tmp_path / 'other', (50, 80), 1)
    (seen,) = ExportedPredictor(out)([other / '0.png'])
    assert not seen.is_read
    assert (
        '40 x 64 pixels once it is resized, got one of 64 x 40' in seen.error
    )
    both = shaped(images, (80, 50), 4)
    shaped(both, (50, 80), 1)
    with pytest.raises(ExportCheckError, match=r'0\.png.*leave the image out'):
        api._compare(
            path,
            ExportedPredictor(out),
            sorted(map(str, both.iterdir())),
            1e-3,
            0.0,
        )


@needs_extra
def test_boxes_of_tiles_are_joined_as_by_pytorch(tmp_path):
    write_detector(tmp_path)
    path, out = tmp_path / 'tiled.safetensors', tmp_path / 'model.onnx'
    export_model(tmp_path / 'e.pth', path, tile=64, overlap=16)
    init_default_scope('mmpretrain')
    images = tmp_path / 'images'
    paths = [str(path) for path in write_images(images, 1, side=90)]
    picture(7, 50).save(images / 'smaller.png')
    paths.append(str(images / 'smaller.png'))
    export_graph(path, out, images)
    expected = [*Predictor(path, device='cpu', workers=0)(paths)]
    assert sum(p.count for p in expected) > 0
    compare(expected, ExportedPredictor(out, workers=0)(paths), 1e-3)


@pytest.mark.parametrize(
    ('change', 'error'),
    [
        (
            lambda model: model['test_cfg']['rcnn']['nms'].update(
                type='soft_nms'
            ),
            r"type='soft_nms' in model\.test_cfg\.rcnn",
        ),
        (
            lambda model: model['test_cfg']['rpn']['nms'].update(
                class_agnostic=True
            ),
            r'class_agnostic=True in model\.test_cfg\.rpn',
        ),
        (
            lambda model: model['roi_head']['bbox_roi_extractor'][
                'roi_layer'
            ].update(pool_mode='max'),
            'is a FasterRCNN, which is not exported; of detectors, expected',
        ),
    ],
)
def test_what_is_not_exported_of_faster_rcnn_is_named(
    change, error, images, tmp_path, monkeypatch
):
    monkeypatch.setattr(api, 'require', lambda package: None)
    model = faster_rcnn()
    change(model)
    with pytest.raises(ValueError, match=error):
        export_graph(write(tmp_path, model), tmp_path / 'a.onnx', images)


def test_dino_that_pads_is_refused(images, tmp_path):
    from mmcvgssl.export.detectors import detector_graph

    model = dino()
    model['data_preprocessor']['pad_size_divisor'] = 32
    loaded = load_model(write(tmp_path, model))
    with pytest.raises(ValueError, match='does not pad, got 40 x 64'):
        detector_graph(loaded, (40, 64))
