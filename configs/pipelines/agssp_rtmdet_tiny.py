# small images and networks, for CPUs, of mmdet alone
_base_ = 'agssp_rtmdet_s.py'

stages = dict(
    agbp=dict(
        config='mmcvgssl::pretrain/agbp/agbp_cspnext-tiny_1xb32-30e_folder.py',
    ),
    agdp=dict(
        config='mmcvgssl::pretrain/agdp/'
        'agdp_rtmdet_tiny_1xb16-10e_pseudo-boxes.py',
    ),
    finetune=dict(
        config='mmcvgssl::detection/rtmdet/'
        'rtmdet_tiny_1xb16-300e_coco-format.py',
    ),
)
