"""Import and one YOLOv8 step on either host set, in a fresh interpreter."""

STEP = """
import mmcvgssl, torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData
# A registry imports mmyolo first, deep inside mmengine.
backbone = MODELS.get('mmyolo.YOLOv8CSPDarknet')
assert backbone.__module__.startswith('mmyolo.')
import mmcv, mmdet, mmengine, mmpretrain, mmyolo
import mmdet.models, mmpretrain.models, mmyolo.models
from mmdet.structures import DetDataSample

base = 'mmyolo::yolov8/yolov8_s_syncbn_fast_8xb16-500e_coco.py'
open('yolo.py', 'w').write(f'''
_base_ = {base!r}
model = dict(
    backbone=dict(widen_factor=0.125, norm_cfg=dict(type='BN')),
    neck=dict(widen_factor=0.125, norm_cfg=dict(type='BN')),
    bbox_head=dict(
        head_module=dict(widen_factor=0.125, norm_cfg=dict(type='BN'))))
''')
cfg = Config.fromfile('yolo.py')
DefaultScope.get_instance('step', scope_name='mmyolo')
torch.manual_seed(0)
model = MODELS.build(cfg.model)
optim = build_optim_wrapper(
    model, dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9)))
meta = dict(
    img_shape=(64, 64), ori_shape=(64, 64), batch_input_shape=(64, 64),
    scale_factor=(1.0, 1.0), pad_param=None)
image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
# image, label, xyxy
boxes = torch.tensor([[0, 3, 8, 8, 40, 48], [1, 5, 16, 4, 60, 30]]).float()
before = [p.detach().clone() for p in model.parameters()]
model.train()
log = model.train_step(
    dict(inputs=image.float(), data_samples=dict(
        bboxes_labels=boxes, img_metas=[meta] * 2)), optim)
assert all(torch.isfinite(v).all() for v in log.values()), log
assert float(log['loss']) > 0
moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters())]
assert sum(moved) > len(moved) / 2, (sum(moved), len(moved))

sample = DetDataSample(metainfo=meta, gt_instances=InstanceData())
model.eval()
with torch.no_grad():
    found = model.test_step(
        dict(inputs=list(image), data_samples=[sample] * 2))
found = found[0].pred_instances
assert found.bboxes.shape == (len(found.scores), 4)

from mmdet.apis import DetInferencer
cfg.test_dataloader.dataset.pipeline[0] = dict(type='mmcvgssl.LoadImage')
bare = DetInferencer.__new__(DetInferencer)
reader = bare._init_pipeline(cfg).transforms[0].from_ndarray
assert type(reader).__name__ == 'LoadImage'
print(mmengine.__version__, mmcv.__version__, mmdet.__version__,
      mmpretrain.__version__, mmyolo.__version__)
"""
ORIGINAL = '0.10.7 2.0.1 3.3.0 1.2.0 0.6.0'


def test_one_yolov8_step(run_python, host_paths):
    """Train and predict from mmyolo's own config, on the torch-native ops.

    The versions shown at the end are the true ones.
    """
    done = run_python(STEP, *host_paths)
    assert done.returncode == 0, done.stderr[-3000:]
    versions = done.stdout.splitlines()[-1]
    assert (versions == ORIGINAL) == bool(host_paths)
