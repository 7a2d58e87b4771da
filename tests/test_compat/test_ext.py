"""The stand-in for ``mmcv._ext`` as the hosts meet it."""

import importlib.util
from pathlib import Path

import pytest
import torch

from mmcvgssl import compat


def test_the_module_can_be_found(ext):
    """Hosts probe with find_spec, which raises where a spec is None."""
    assert importlib.util.find_spec('mmcv._ext') is ext.__spec__
    assert compat.ops_origin() == 'torch-native'


def test_mmcv_counts_as_full(ext):
    from mmengine.utils.dl_utils import mmcv_full_available

    assert mmcv_full_available() is True


@pytest.mark.parametrize('name', ['nms_rotated', 'upfirdn2d', 'no_such_op'])
def test_any_other_op_raises_when_called(ext, name):
    assert hasattr(ext, name)
    with pytest.raises(RuntimeError) as caught:
        getattr(ext, name)(torch.zeros(1), alpha=2)
    assert f'`{name}`' in str(caught.value)
    assert '--no-build-isolation' in str(caught.value)


def test_private_names_are_no_ops(ext):
    with pytest.raises(AttributeError, match='__wrapped__'):
        _ = ext.__wrapped__


def test_environment_report(ext):
    """What ``Runner`` and mmdet print at the start of a run."""
    from mmcv.utils import collect_env

    report = collect_env()
    assert report['MMCV Compiler'].startswith('none')
    assert report['MMCV CUDA Compiler'] == 'not available'


def test_sync_bn_is_reverted(ext, monkeypatch):
    """As in training on one device, where mmcv is asked for its own."""
    from mmcv.ops import SyncBatchNorm
    from mmengine.model import revert_sync_batchnorm

    # It can only be made where processes are many, or seem to be.
    monkeypatch.setattr(torch.distributed, 'get_world_size', lambda group: 1)
    norm = SyncBatchNorm(3)
    with torch.no_grad():
        norm.weight.uniform_()
        norm.running_mean.uniform_()
    model = revert_sync_batchnorm(
        torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), norm)
    )
    x = torch.randn(2, 3, 4, 4)
    want = torch.nn.functional.batch_norm(
        model[0](x), norm.running_mean, norm.running_var, norm.weight
    )
    torch.testing.assert_close(model.eval()(x), want)


def test_optimizer_constructor_knows_deformable_convolutions(ext):
    """It imports them from mmcv.ops wherever mmcv counts as full."""
    from mmcv.ops import DeformConv2dPack
    from mmengine.optim import build_optim_wrapper

    model = torch.nn.Sequential(DeformConv2dPack(2, 2, 3))
    wrapper = build_optim_wrapper(
        model,
        {
            'optimizer': {'type': 'SGD', 'lr': 1.0},
            'paramwise_cfg': {'dcn_offset_lr_mult': 0.1},
        },
    )
    rates = {
        id(group['params'][0]): group['lr']
        for group in wrapper.optimizer.param_groups
    }
    assert rates[id(model[0].conv_offset.weight)] == pytest.approx(0.1)
    assert rates[id(model[0].weight)] == pytest.approx(1.0)


FAKE = """
OPS = ['nms']
def nms(*args, **kwargs):
    return 'compiled'
"""


def test_a_compiled_extension_is_untouched(run_python, tmp_path):
    package = tmp_path / 'site' / 'mmcv'
    package.mkdir(parents=True)
    real = Path(importlib.util.find_spec('mmcv').origin).parent
    for path in real.iterdir():
        (package / path.name).symlink_to(path)
    (package / '_ext.py').write_text(FAKE)
    done = run_python(
        'import mmcvgssl, mmcv._ext as ext\n'
        'print(mmcvgssl.compat.ops_origin(), ext.nms(), ext.__file__,'
        ' hasattr(ext, "softnms"))',
        tmp_path / 'site',
    )
    assert done.returncode == 0, done.stderr
    want = f'compiled compiled {package / "_ext.py"} False'
    assert done.stdout.strip() == want
