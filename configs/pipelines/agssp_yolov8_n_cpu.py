# small images and networks, for CPUs
_base_ = 'agssp_yolov8_s.py'

stages = dict(
    agbp=dict(
        config='mmcvgssl::pretrain/agbp/agbp_csp-n_1xb32-30e_folder.py',
    ),
    agdp=dict(
        config='mmcvgssl::pretrain/agdp/'
        'agdp_yolov8_n_1xb16-10e_pseudo-boxes.py',
    ),
    finetune=dict(
        config='mmcvgssl::detection/yolov8/yolov8_n_1xb16-300e_coco-format.py',
    ),
)
