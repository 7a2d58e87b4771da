"""Files that others have changed: none runs code, each gets one sentence."""

import copy
import json
import sys
import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.registry import init_default_scope
from safetensors.torch import save

from mmcvgssl.model_file import load_model
from mmcvgssl.model_file.anomaly import to_file
from mmcvgssl.models.anomaly.fitted_state import read_notes, read_tensors
from mmcvgssl.registry import MODELS
from mmcvgssl.runner.checkpoint_config import backbone_config
from mmcvgssl.weights.safe_build import build_within
from mmcvgssl.weights.targets import build_target

BACKBONE = {
    **{'type': 'mmpretrain.ResNet', 'depth': 18, 'num_stages': 1},
    **{'strides': [1], 'dilations': [1], 'out_indices': [0]},
    **{'base_channels': 4, 'stem_channels': 4},
    'norm_cfg': {'type': 'BN', 'requires_grad': True},
    'init_cfg': [{'type': 'Kaiming', 'layer': ['Conv2d']}],
}
MODEL = {
    **{'type': 'mmcvgssl.OneClassDetector', 'backbone': BACKBONE},
    **{'mean': [1.0, 2.0, 3.0], 'std': [1.0, 1.0, 1.0]},
    **{'false_alarm_rate': None, 'folds': 5},
}
TEACHER = {
    **{'type': 'mmcvgssl.HostTeacher', 'backbone': BACKBONE},
    **{'input_size': 32, 'levels': [0]},
}
MEMBER = {
    **{'type': 'mmcvgssl.PatchCore', 'teacher': TEACHER},
    **{'coreset_size': 8, 'top': 0.1},
}
ENSEMBLE = {'type': 'mmcvgssl.MapEnsemble', 'members': [MEMBER, MEMBER]}
STEPS = [
    {'type': 'mmcvgssl.LoadImage', 'input_size': 32},
    {'type': 'mmcvgssl.SquareResize', 'input_size': 32},
    {'type': 'mmpretrain.PackInputs', 'meta_keys': ['img_path']},
]
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


def positions(value, here=()):
    """Give the path of every container in nested values."""
    if isinstance(value, (dict, list)):
        yield here
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from positions(item, (*here, key))


@st.composite
def changed(draw, value, names=NAMES, values=VALUES):
    """Change a value at one to three places."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        node = value
        for key in draw(st.sampled_from(list(positions(value)))):
            node = node[key]
        new = copy.deepcopy(draw(values))
        own = [*node] if isinstance(node, dict) else [*range(len(node))]
        if own and draw(st.booleans()):
            node[draw(st.sampled_from(own))] = new
        elif isinstance(node, dict):
            node[draw(names)] = new
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
    """Make the weights of the backbone, after what imports all."""
    for host in ('mmdet', 'mmyolo'):
        pytest.importorskip(f'{host}.models')
    net = MODELS.build(copy.deepcopy(BACKBONE))
    return {f'backbone.{k}': v for k, v in net.state_dict().items()}


@pytest.fixture(scope='module')
def notes_of(tensors):
    """Return what sound files say, by model, and their tensors."""
    images = torch.from_numpy(
        np.random.default_rng(0).integers(0, 255, (9, 3, 32, 32), np.uint8)
    )
    init_default_scope('mmpretrain')
    made = []
    for config in (MODEL, ENSEMBLE):
        config = copy.deepcopy(config)
        built = copy.deepcopy(config)
        for member in built.get('members', ()):
            member['teacher']['allow_random'] = True
        model = MODELS.build(built)
        model.fit([{'inputs': list(images)}])
        content = to_file(model, config, STEPS, 'bolt')
        data = content.to_bytes()
        made.append((read_notes(data), read_tensors(data)))
    return made


def read(path) -> str:
    """Load a file as `tools/predict.py` does; return what was said."""
    try:
        load_model(path)
    except ValueError as error:
        return str(error)
    return ''


def texts(notes) -> dict[str, str]:
    return {key: json.dumps(value) for key, value in notes.items()}


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


def test_sound_files_are_read(notes_of, tmp_path):
    path = tmp_path / 'ours.safetensors'
    for notes, written in notes_of:
        path.write_bytes(save(written, texts(notes)))
        assert read(path) == ''


@pytest.mark.parametrize('which', [0, 1])
def test_no_model_file_runs_code(watch, notes_of, tmp_path, which):
    path = tmp_path / 'theirs.safetensors'
    notes, written = notes_of[which]

    @FUZZ
    @given(st.data())
    def fuzz(data):
        part = data.draw(st.sampled_from([*sorted(notes), 'model', 'bytes']))
        said = dict(notes)
        if part != 'bytes':
            # whatever it is, as a list: its own value may be plain
            said[part] = data.draw(changed([notes[part]]))[0:1]
            said[part] = said[part][0] if said[part] else None
        file = save(written, texts(said))
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
    def fuzz(written):
        text = '\n'.join(
            f'{key} = {value!r}' for key, value in written.items()
        )
        said = ''
        with watch:
            try:
                cfg = backbone_config({'meta': {'cfg': text}})
                build_within(lambda: build_target(cfg, target), state, 'a.pth')
            except ValueError as error:
                said = str(error)
        check(watch, said)

    fuzz()
