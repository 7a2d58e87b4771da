# RTMDet, of mmdet alone: no mmyolo, which is GPL-3.0
_base_ = 'agssp_yolov8_s.py'

stages = dict(
    agbp=dict(
        config='mmcvgssl::pretrain/agbp/agbp_cspnext-s_1xb32-100e_folder.py',
    ),
    agdp=dict(
        config='mmcvgssl::pretrain/agdp/'
        'agdp_rtmdet_s_1xb32-10e_pseudo-boxes.py',
    ),
    finetune=dict(
        config='mmcvgssl::detection/rtmdet/rtmdet_s_1xb32-300e_coco-format.py',
    ),
)
