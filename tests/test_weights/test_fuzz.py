"""Files that others have changed: none runs code, each gets one sentence."""

import copy
import json
import sys
import threading

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from mmcvgssl.apis.checkpoint_config import backbone_config
from mmcvgssl.apis.predict import OneClassPredictor
from mmcvgssl.models.anomaly.one_class_detector import OneClassDetector
from mmcvgssl.registry import MODELS
from mmcvgssl.weights.safe_build import build_within
from mmcvgssl.weights.targets import build_target

BACKBONE = {
    **{'type': 'mmpretrain.ResNet', 'depth': 18, 'num_stages': 1},
    **{'strides': [1], 'dilations': [1], 'out_indices': [0]},
    **{'base_channels': 4, 'stem_channels': 4},
    'norm_cfg': {'type': 'BN', 'requires_grad': True},
    'init_cfg': [{'type': 'Kaiming', 'layer': ['Conv2d']}],
}
SETTINGS = {
    **{'model': 'OneClassDetector', 'backbone': BACKBONE},
    **{'mean': [1.0, 2.0, 3.0], 'std': [1.0, 1.0, 1.0]},
    **{'density': 'gaussian', 'bandwidth': 1.0, 'patch': None},
    **{'false_alarm_rate': None, 'folds': 5, 'calibration': None},
    'weights': 'abc',
}
EXTRA = {
    'category': 'bolt',
    'pipeline': [
        {'type': 'mmcvgssl.LoadImage', 'input_size': 32},
        {'type': 'mmcvgssl.SquareResize', 'input_size': 32},
        {'type': 'mmpretrain.PackInputs', 'meta_keys': ['img_path']},
    ],
}
EXAMPLES = 250  # of each kind
# What may not happen while a foreign file is read.
EVENTS = (
    *('subprocess.Popen', 'os.system', 'os.exec', 'os.posix_spawn'),
    *('os.spawn', 'os.fork', 'os.remove', 'os.rename', 'os.putenv'),
    *('socket.connect', 'socket.getaddrinfo', 'urllib.Request', 'exec'),
    *('webbrowser.open', 'ctypes.dlopen', 'shutil.rmtree', 'compile'),
)
STRANGE = ('antigravity', 'this', 'evil', 'webbrowser')

deep: list = []
for _ in range(500):
    deep = [deep]
CALL = {'type': 'subprocess.check_call', 'args': ['touch', 'called']}
VALUES = st.sampled_from(
    [
        *('subprocess.check_call', 'os.system', 'builtins.eval', 'evil.x'),
        *('antigravity', 'this', 'webbrowser.open', 'torch.load'),
        *('mmpretrain.apis.get_model', 'mmpretrain.CLIP', 'mmdet.ResNet'),
        *('mmpretrain.HuggingFaceClassifier', 'mmengine.fileio.load'),
        *('mmcvgssl.WithSSPCAB', 'mmcvgssl.TimmBackbone', 'mmpretrain.VAN'),
        *('SyncBN', 'LN2d', 'DCN', 'resnet18', 'hf-hub:timm/resnet18'),
        *('http://localhost:1/x.pth', '/etc/passwd', '../x', 's3://a/b'),
        *('package:efficientnet-lite0', '', 'x' * 5000, '\x00', '\ud800'),
        *(0, 1, -1, 5, 10**12, 10**400, 65536, 1e308, -0.5),
        *(float('nan'), float('inf'), True, False, None),
        *([], {}, [[]], [CALL], {'a': CALL}, deep, [0] * 5000),
        CALL,
        {**BACKBONE, 'depth': 34},
        {'type': 'Pretrained', 'checkpoint': 'http://localhost:1/x.pth'},
        {'type': 'BN', '_scope_': 'antigravity'},
        {'type': 'mmpretrain.Albumentations', 'transforms': [CALL]},
    ]
)
NAMES = st.sampled_from(
    [
        *('type', '_scope_', '_delete_', 'custom_imports', 'init_cfg'),
        *('norm_cfg', 'act_cfg', 'conv_cfg', 'plugins', 'arch', 'depth'),
        *('norm_layer', 'checkpoint', 'pretrained', 'model_name', 'layers'),
        *('backbone', 'data_preprocessor', 'density', 'patch', 'mean'),
        *('base_channels', 'num_stages', 'pipeline', 'backend_args', 'model'),
        *('transforms', 'scale', 'input_size', 'frozen_stages', 'weights'),
    ]
)


def places(value, here=()):
    """Give the path of every container in nested values."""
    if isinstance(value, (dict, list)):
        yield here
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from places(item, (*here, key))


@st.composite
def changed(draw, value):
    """Change a value at one to three places."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        node = value
        for key in draw(st.sampled_from(list(places(value)))):
            node = node[key]
        new = copy.deepcopy(draw(VALUES))
        own = [*node] if isinstance(node, dict) else [*range(len(node))]
        if own and draw(st.booleans()):
            node[draw(st.sampled_from(own))] = new
        elif isinstance(node, dict):
            node[draw(NAMES)] = new
        else:
            node.append(new)
    return value


class Watch:
    """Notes what Python does in this thread while it is switched on."""

    def __init__(self) -> None:
        self.owner, self.seen = 0, []
        sys.addaudithook(self)

    def __call__(self, event, args) -> None:
        if not self.owner or threading.get_ident() != self.owner:
            return
        if event == 'compile' and str(args[1]).startswith('<'):
            return  # data classes, and our reading of a config as data
        if event == 'exec' and args[0].co_filename.startswith('<'):
            return
        wrote = event == 'open' and args[1] and set(str(args[1])) & set('wax+')
        strange = event == 'import' and args[0].split('.')[0] in STRANGE
        if wrote or strange or event.startswith(EVENTS):
            self.seen.append((event, str(args)[:200]))

    def __enter__(self):
        self.owner, self.seen = threading.get_ident(), []
        return self

    def __exit__(self, *error) -> None:
        self.owner = 0


@pytest.fixture(scope='module')
def watch():
    return Watch()


@pytest.fixture(scope='module')
def tensors():
    """Make what a whole model file holds, after a load that imports all."""
    net = MODELS.build(copy.deepcopy(BACKBONE))
    held = {f'backbone.{k}': v for k, v in net.state_dict().items()}
    held |= {
        'state.mean': torch.zeros(4),
        'state.whiten': torch.eye(4),
        'state.centre': torch.zeros(4),
        'state.map_threshold': torch.ones(()),
    }
    for host in ('mmdet', 'mmyolo'):
        pytest.importorskip(f'{host}.models')
    return held


def read(path) -> str:
    """Load a file as `tools/predict.py` does; return what was said."""
    try:
        OneClassPredictor(OneClassDetector.from_file(path), device='cpu')
    except ValueError as error:
        return str(error)
    return ''


def check(watch, said: str) -> None:
    assert watch.seen == []
    assert '\n' not in said
    assert len(said) < 2000


FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=5000,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)


def test_a_sound_file_is_read(tensors, tmp_path):
    notes = {'settings': json.dumps(SETTINGS), 'extra': json.dumps(EXTRA)}
    path = tmp_path / 'ours.safetensors'
    path.write_bytes(save(tensors, notes))
    assert read(path) == ''


def test_no_model_file_runs_code(watch, tensors, tmp_path):
    path = tmp_path / 'theirs.safetensors'

    @FUZZ
    @given(st.data())
    def fuzz(data):
        part = data.draw(st.sampled_from(['settings', 'extra', 'bytes']))
        held, extra = SETTINGS, EXTRA
        if part == 'settings':
            held = data.draw(changed(SETTINGS))
        if part == 'extra':
            extra = data.draw(changed(EXTRA))
        notes = {'settings': json.dumps(held), 'extra': json.dumps(extra)}
        file = save(tensors, notes)
        if part == 'bytes':
            spot = data.draw(st.integers(0, min(len(file) - 1, 3000)))
            new = data.draw(st.binary(max_size=8))
            keep = data.draw(st.booleans())
            rest = file[spot + len(new) :] if keep else b''
            file = file[:spot] + new + rest
        path.write_bytes(file)
        with watch:
            said = read(path)
        check(watch, said)

    fuzz()


@pytest.mark.parametrize('target', ['mmpretrain', 'mmdet'])
def test_no_config_in_a_checkpoint_runs_code(watch, tensors, target):
    prefix = 'backbone.'
    state = {
        k.removeprefix(prefix): v
        for k, v in tensors.items()
        if k.startswith(prefix)
    }
    config = {'default_scope': 'mmpretrain', 'model': {'backbone': BACKBONE}}

    @settings(FUZZ, max_examples=EXAMPLES // 2)
    @given(changed(config))
    def fuzz(held):
        text = '\n'.join(f'{key} = {value!r}' for key, value in held.items())
        said = ''
        with watch:
            try:
                cfg = backbone_config({'meta': {'cfg': text}})
                build_within(lambda: build_target(cfg, target), state, 'a.pth')
            except ValueError as error:
                said = str(error)
        check(watch, said)

    fuzz()
