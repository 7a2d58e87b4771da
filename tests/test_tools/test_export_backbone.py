"""Exported backbones give the same features in the package they went to."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import Tensor, nn

import mmcvgssl  # noqa: F401
from mmcvgssl.apis import load_backbone
from mmcvgssl.apis.export_backbone import export_backbone
from mmcvgssl.registry import MODELS
from mmcvgssl.runner.checkpoint_config import backbone_config, literal_config
from mmcvgssl.weights import KeyMismatchError, read_checkpoint
from mmcvgssl.weights.targets import build_host, build_target

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'export_backbone.py'
ARCH = {
    'embed_dims': 24,
    'num_layers': 2,
    'num_heads': 3,
    'feedforward_channels': 100,
}
R18 = {'type': 'ResNet', 'depth': 18}
R50 = {'type': 'mmpretrain.ResNet', 'depth': 50, 'norm_cfg': {'type': 'BN'}}
MMDET_R18 = {'type': 'mmdet.ResNet', 'depth': 18, 'out_indices': (3,)}
VIT = {'type': 'VisionTransformer', 'arch': ARCH, 'img_size': 32}
VIT |= {'patch_size': 8, 'norm_cfg': {'type': 'LN', 'eps': 1e-2}}
MOCO = VIT | {'type': 'MoCoV3ViT', 'arch': 'mocov3-small', 'img_size': 64}
MOCO |= {'patch_size': 16}
TIMM = {'type': 'TIMMBackbone', 'model_name': 'resnet10t', 'pretrained': True}
YOLO = {
    'type': 'mmyolo.YOLOv8CSPDarknet',
    'deepen_factor': 0.33,
    'widen_factor': 0.125,
    'out_indices': (4,),
}
CSP = YOLO | {'type': 'mmdet.CSPDarknet'}
ALL = ('mmpretrain', 'mmdet', 'mmyolo', 'timm', 'torchvision')
VITS = ('mmpretrain', 'timm', 'torchvision')
PAIRS = [
    *[(R18, to) for to in ALL],
    *[(R50, to) for to in ALL],
    *[(MMDET_R18, to) for to in ALL],
    *[(VIT, to) for to in VITS],
    *[(MOCO, to) for to in VITS],
    *[(TIMM, to) for to in ('mmpretrain', 'timm')],
    *[(YOLO, to) for to in ('mmyolo', 'mmdet')],
    *[(CSP, to) for to in ('mmyolo', 'mmdet')],
]


def randomise(module: nn.Module) -> nn.Module:
    """Fill all weights and statistics, so that each of them counts."""
    torch.manual_seed(3)
    for name, value in module.state_dict().items():
        if name.endswith(('running_var', 'weight')) and value.ndim == 1:
            value.uniform_(0.5, 1.5)
        elif value.ndim > 1:
            value.normal_(std=value[0].numel() ** -0.5)
        elif value.is_floating_point():
            value.normal_(std=0.1)
    return module


def save_run(backbone: dict, path: Path, prefix: str = 'backbone.') -> Tensor:
    """Write what a training run leaves; return features of fixed images."""
    offline = {k: v for k, v in backbone.items() if k != 'pretrained'}
    module = randomise(build_host(offline))
    features = last(module, images(backbone))
    # training may leave this layout, which other kernels round otherwise
    module.to(memory_format=torch.channels_last)
    state = {prefix + k: v for k, v in module.state_dict().items()}
    state['head.fc.weight'] = torch.zeros(2, 2)
    cfg = Config({'model': {'backbone': backbone, 'head': None}})
    torch.save({'meta': {'cfg': cfg.pretty_text}, 'state_dict': state}, path)
    return features


def images(backbone: dict) -> Tensor:
    size = backbone.get('img_size', 64)
    return torch.randn(
        2, 3, size, size, generator=torch.Generator().manual_seed(0)
    )


@torch.no_grad()
def last(module: nn.Module, x: Tensor) -> Tensor:
    """Return the last features before a classifier."""
    module.eval()
    package = type(module).__module__.split('.')[0]
    if package == 'torchvision' and hasattr(module, 'heads'):
        module.heads = nn.Identity()
    elif package == 'torchvision':
        parts = list(module.children())[:-2]
        return nn.Sequential(*parts)(x)
    elif package == 'timm' and hasattr(module, 'blocks'):
        features = module.forward_features(x)
        return module.forward_head(features, pre_logits=True)
    elif package == 'timm':
        return module.forward_features(x)
    out = module(x)
    return out if torch.is_tensor(out) else out[-1]


@pytest.mark.parametrize(
    ('backbone', 'target'),
    PAIRS,
    ids=[f'{b["type"]}{b.get("depth", "")}-{to}' for b, to in PAIRS],
)
def test_equal_features(tmp_path, backbone, target):
    before = save_run(backbone, tmp_path / 'run.pth')
    suffix = '.safetensors' if target in ('timm', 'torchvision') else '.pth'
    out = tmp_path / 'new' / 'folder' / f'out{suffix}'
    report = export_backbone(tmp_path / 'run.pth', out, target)

    scoped = backbone_config(read_checkpoint(tmp_path / 'run.pth'))
    module = build_target(scoped, target)
    if scoped['type'] == 'mmyolo.YOLOv8CSPDarknet':
        assert type(module).__name__ == 'YOLOv8CSPDarknet'
    elif backbone is not CSP:
        package = 'mmdet' if target == 'mmyolo' else target
        assert type(module).__module__.split('.')[0] == package
    state = read_checkpoint(out)
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert (report.missing, report.unexpected) == (missing, unexpected)
    assert set(report.matched) == set(state)
    assert not unexpected
    heads = {'timm': 2, 'torchvision': 2}
    assert len(missing) == heads.get(target, 0)
    assert os.listdir(out.parent) == [out.name]

    after = last(module, images(backbone))
    assert before.std() > 1e-2
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)
    ready = load_backbone(tmp_path / 'run.pth', to=target)
    assert type(ready) is type(module)
    assert not ready.training
    assert torch.equal(last(ready, images(backbone)), after)


def test_detector_reads_the_file_through_init_cfg(tmp_path):
    before = save_run(R18, tmp_path / 'run.pth')
    out = tmp_path / 'r18.pth'
    export_backbone(tmp_path / 'run.pth', out, 'mmdet')
    source = {'type': 'Pretrained', 'checkpoint': str(out)}
    module = MODELS.build(
        {'type': 'mmdet.ResNet', 'depth': 18, 'init_cfg': source}
    )
    module.init_weights()
    module.eval()
    with torch.no_grad():
        levels = module(images(R18))
    assert [x.shape[1] for x in levels] == [64, 128, 256, 512]
    torch.testing.assert_close(levels[-1], before, atol=1e-5, rtol=1e-5)


def test_arch_names_the_model(tmp_path):
    before = save_run(R18, tmp_path / 'run.pth')
    out = tmp_path / 'out.pth'
    export_backbone(tmp_path / 'run.pth', out, 'timm', arch='resnet18')
    module = build_target(R18, 'timm', arch='resnet18')
    module.load_state_dict(read_checkpoint(out), strict=False)
    torch.testing.assert_close(last(module, images(R18)), before)
    with pytest.raises(KeyMismatchError, match=r'layer1\.2\.conv1'):
        export_backbone(
            tmp_path / 'run.pth', tmp_path / 'no.pth', 'timm', arch='resnet34'
        )
    assert sorted(os.listdir(tmp_path)) == ['out.pth', 'run.pth']


def test_a_failed_export_leaves_the_old_file(tmp_path):
    save_run(R18, tmp_path / 'run.pth')
    cfg = tmp_path / 'r34.py'
    cfg.write_text("model = dict(backbone=dict(type='ResNet', depth=34))")
    out = tmp_path / 'out.pth'
    out.write_text('old')
    with pytest.raises(KeyMismatchError, match=r'run.pth for mmdet do not'):
        export_backbone(tmp_path / 'run.pth', out, 'mmdet', config=cfg)
    assert out.read_text() == 'old'
    assert sorted(os.listdir(tmp_path)) == ['out.pth', 'r34.py', 'run.pth']


def test_scope_and_nested_settings_of_a_dumped_config():
    cfg = Config(
        {
            'default_scope': 'mmdet',
            'model': {
                'type': 'FasterRCNN',
                'backbone': {
                    'type': 'ResNet',
                    'depth': 18,
                    'out_indices': (0, 1),
                    'norm_cfg': {'type': 'BN', 'eps': 1e-05},
                    'extra': {'a-b': [-1, None, {'c': 1e-5}]},
                },
            },
        }
    )
    found = backbone_config({'meta': {'cfg': cfg.pretty_text}})
    expected = cfg.to_dict()['model']['backbone']
    assert found == {**expected, 'type': 'mmdet.ResNet'}


def test_config_text_is_data(tmp_path):
    witness = tmp_path / 'witness'
    text = f"model = dict(backbone=open({str(witness)!r}, 'w'))"
    with pytest.raises(ValueError, match=r'plain values.*--config'):
        literal_config(text, ('model',))
    assert literal_config(f'other = open({str(witness)!r})', ('model',)) == {}
    assert not witness.exists()


@pytest.mark.parametrize(
    ('meta', 'expected'),
    [
        ({}, r"meta\['cfg'\] says what was trained, got one without"),
        ({'meta': {'cfg': 'model = ('}}, 'is not a config'),
        ({'meta': {'cfg': 'lr = 1'}}, r'expected model=dict\(backbone'),
        ({'meta': {'cfg': 'model = dict(backbone=3)'}}, 'got none'),
        (
            {'meta': {'cfg': f'model = {"-" * 50_000}1'}},
            'is not a config: Mem',
        ),
        ({'meta': {'cfg': f'model = {"1+" * 50_000}1'}}, 'is not a config'),
        ({'meta': {'cfg': '#' * (1 << 21)}}, 'characters in the checkpoint'),
        (
            {
                'meta': {
                    'cfg': "model = dict(backbone=dict(type='ResNet', "
                    "_scope_='antigravity'))"
                }
            },
            r'model\.backbone\._scope_',
        ),
    ],
)
def test_without_a_backbone_config(meta, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        backbone_config(meta)
    assert '--config' in str(caught.value)


def test_config_file_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file'):
        backbone_config({}, tmp_path / 'none.py')
    broken = tmp_path / 'broken.py'
    broken.write_text('model = (')
    with pytest.raises(ValueError, match='cannot be read as a config'):
        backbone_config({}, broken)


def test_a_file_that_cannot_be_written(tmp_path, monkeypatch):
    save_run(R18, tmp_path / 'run.pth')

    def full(*args):
        raise RuntimeError('disk full')

    monkeypatch.setattr(torch, 'save', full)
    with pytest.raises(OSError, match=r'disk full\. Choose another folder'):
        export_backbone(tmp_path / 'run.pth', tmp_path / 'a.pth', 'mmdet')
    assert os.listdir(tmp_path) == ['run.pth']


def test_what_is_no_backbone_is_not_loaded(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'gone\.pth'):
        load_backbone(tmp_path / 'gone.pth')
    with pytest.raises(ValueError, match="torchvision, got 'keras'"):
        load_backbone(tmp_path / 'gone.pth', to='keras')
    save_run(VIT, tmp_path / 'run.pth')
    with pytest.raises(ValueError, match='mmdet'):
        load_backbone(tmp_path / 'run.pth', to='mmdet')
    cfg = tmp_path / 'r18.py'
    cfg.write_text("model = dict(backbone=dict(type='ResNet', depth=18))")
    with pytest.raises((KeyMismatchError, ValueError)):
        load_backbone(tmp_path / 'run.pth', to='timm', config=cfg)


def test_out_and_target_are_checked(tmp_path):
    with pytest.raises(ValueError, match=r'output file .*\.onnx'):
        export_backbone('run.pth', tmp_path / 'a.onnx', 'timm')
    with pytest.raises(ValueError, match="got 'keras'"):
        export_backbone('run.pth', tmp_path / 'a.pth', 'keras')


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_another_file_of_the_name_is_kept(tmp_path, suffix):
    out = tmp_path / f'out{suffix}'
    out.write_text('mine')
    save_run(R18, tmp_path / 'run.pth')
    for _ in range(2):
        export_backbone(tmp_path / 'run.pth', out, 'timm')
        (kept,) = (tmp_path / 'earlier').glob(f'*/out{suffix}')
        assert kept.read_text() == 'mine'
    assert len(read_checkpoint(out)) == 120


@pytest.mark.parametrize('link', [False, True])
def test_the_checkpoint_is_not_replaced(tmp_path, link):
    run = out = tmp_path / 'run.pth'
    save_run(R18, run)
    before = run.read_bytes()
    if link:
        out = tmp_path / 'link.pth'
        out.symlink_to(run)
    with pytest.raises(ValueError, match='is the checkpoint itself'):
        export_backbone(run, out, 'timm')
    assert run.read_bytes() == before


def run_tool(*args: str | Path) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    return subprocess.run(
        [sys.executable, TOOL, *args],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': path},
        check=False,
    )


def test_tool(tmp_path):
    run, out = tmp_path / 'run.pth', tmp_path / 'out.safetensors'
    save_run(R18, run)
    done = run_tool(run, out, '--to', 'torchvision')
    assert done.returncode == 0, done.stderr
    assert 'matched: 120 of 122 keys of the model' in done.stdout
    assert 'missing: 2: fc.weight, fc.bias' in done.stdout
    assert 'unexpected' not in done.stdout
    assert len(read_checkpoint(out)) == 120


def test_tool_error_is_a_message(tmp_path, monkeypatch, capsys):
    run, out = tmp_path / 'run.pth', tmp_path / 'out.pth'
    torch.save({'conv1.weight': torch.zeros(1)}, run)
    monkeypatch.setattr(
        sys, 'argv', ['export', str(run), str(out), '--to', 'timm']
    )
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert re.match(r'\nERROR: .*--config CFG', said)
    assert 'Traceback' not in said
    assert not out.exists()
