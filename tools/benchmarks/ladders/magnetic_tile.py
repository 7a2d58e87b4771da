# The magnetic tile's 192 defective tiles that are trained on, and all 792 of
# them without masks, as long as NEU-DET's ladder: 300 epochs of 8 updates.
# Given: root=data/magnetic_tile, labels=$root/mmcvgssl/defects_train.json,
# unlabelled, maps and boxes of detection_unlabelled.txt, and test.
_base_ = 'neu_det.py'
detectors = {
    'csp': 'configs/detection/yolov8/yolov8_n_1xb16-300e_magnetic-tile.py',
    'lite0': 'configs/detection/yolov8/'
    'yolov8_n-lite0_1xb16-300e_magnetic-tile.py',
}
tiles = dict(options={'ann_file': 'detection_unlabelled.txt'})
stages = {'agbp': tiles, 'agbp-lite0': tiles}
