"""Provenance of configs, data sets, weights and packages."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from torch import Tensor, nn
from torch.utils.data import Subset

from mmcvgssl import env
from mmcvgssl.provenance.files import FileTable, of_file
from mmcvgssl.provenance.record import RECORD, Provenance

# options of loaders and models that only change the speed
SPEED = frozenset(
    {
        *('num_workers', 'persistent_workers', 'pin_memory'),
        *('prefetch_factor', 'cache_dir', 'timeout', 'image_cache'),
    }
)
# options of data sets that are paths; the images themselves count
PATHS = frozenset(
    {
        *('data_root', 'data_prefix', 'img_prefix', 'img_path', 'ann_file'),
        *('split_dir', 'leave_out', 'list_file', 'maps', 'map_root'),
        'lazy_init',
    }
)
# options that name files, even by a bare word
FILES = frozenset(
    {
        *('checkpoint', 'weights', 'knowledge', 'load_from', 'pretrained'),
        *('backbone_checkpoint', 'ann_file', 'maps'),
    }
)
# packages that decode and resize images, and that compute
READING = ('cv2', 'PIL', 'numpy', 'mmcv', 'mmpretrain')
COMPUTING = ('torch', 'mmengine')
# further packages, by the start of a type's name
OWNERS = {
    'Timm': ('timm',),
    'TIMM': ('timm',),
    'OpenCLIP': ('open_clip', 'timm'),
    'KeAD': ('open_clip', 'timm'),
    'mmdet.': ('mmdet',),
    'mmyolo.': ('mmyolo', 'mmdet'),
}
# keys of a config that a training's weights depend on
TRAINING = (
    *('model', 'data_preprocessor', 'train_dataloader', 'train_cfg'),
    *('optim_wrapper', 'param_scheduler', 'custom_hooks', 'load_from'),
    *('backbone_checkpoint', 'randomness', 'auto_scale_lr', 'sync_bn'),
)


def digest_tensors(tensors: Mapping[str, Tensor], start: str = '') -> str:
    """Digest tensors: the same names, shapes and values give the same text.

    Args:
        tensors: Tensors in any order.
        start: Further text that is digested first.
    """
    digest = hashlib.sha256(start.encode())
    for key, value in sorted(tensors.items()):
        value = value.detach().cpu().contiguous()
        digest.update(f'{key}{tuple(value.shape)}{value.dtype}'.encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def of_config(
    value: Any, drop: Collection[str] = SPEED | PATHS, key: str = ''
) -> Any:
    """Return what counts of a config, as JSON can hold it.

    Names of files become their content, those of folders of maps that of
    what lists the maps; a module becomes its type and weights.

    Args:
        value: A value of the config.
        drop: Keys to leave out, at any depth.
        key: Key of the value; some keys name files even by a bare word.
    """
    if isinstance(value, nn.Module):
        return f'{type(value).__name__} {digest_tensors(value.state_dict())}'
    if isinstance(value, (Config, ConfigDict)):
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {
            k: of_config(v, drop, str(k))
            for k, v in value.items()
            if k not in drop
        }
    if isinstance(value, (list, tuple)):
        return [of_config(item, drop, key) for item in value]
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, (str, Path)):
        text = str(value)
        named = key in FILES or os.sep in text or Path(text).suffix
        return _content(text) if named else text
    return value


def of_dataset(
    data_set: Any,
    name: str,
    known: Provenance | None = None,
) -> Provenance:
    """Return the images, masks, maps and labels that a data set reads.

    Args:
        data_set: A data set of mmengine, or a ``Subset`` of one; wrappers of
            one data set are looked through.
        name: Name of the table.
        known: An earlier record; what has not changed since is not read.

    Raises:
        FileNotFoundError: If an image is missing.
    """
    digest, paths = hashlib.sha256(), []
    root = None
    for info, home in _infos(data_set):
        root = root or home
        rest = {}
        for key, value in sorted(info.items()):
            # all ways to name a file in mmengine's data sets
            if key.endswith('_path') and isinstance(value, str):
                paths.append(os.path.abspath(value))
            elif key != 'sample_idx':
                rest[key] = value
        digest.update(json.dumps(rest, default=repr).encode() + b'\n')
    root = _root(root, paths)
    names = [Path(os.path.relpath(path, root)).as_posix() for path in paths]
    old = known.files.get(name) if known is not None else None
    return Provenance(
        {f'{name}_labels': digest.hexdigest()[:16]},
        {name: FileTable.of(root, names, old)},
    )


def of_training(
    cfg: Config | Mapping[str, Any],
    data_set: Any,
    processes: int,
    known: Provenance | None = None,
) -> Provenance:
    """Return what the weights of a training depend on.

    Args:
        cfg: Config of the run.
        data_set: Data set that is learned from.
        processes: Their number, as each learns from a batch of its own.
        known: See :func:`of_dataset`.
    """
    values = {key: of_config(cfg.get(key), key=key) for key in TRAINING}
    values['processes'] = processes
    return (
        Provenance(values)
        | of_versions(cfg.get('model'), cfg.get('train_dataloader'))
        | of_dataset(data_set, 'train_images', known)
    )


def of_versions(
    *configs: Any, also: Sequence[str] = (), reading: bool = True
) -> Provenance:
    """Return the versions of the packages that change a result.

    Those that read images and compute always count; timm, open_clip, mmdet
    and mmyolo do if a type in the configs is theirs.

    Args:
        configs: Models and data sets.
        also: Import names of more packages.
        reading: Whether images are read for the result.
    """
    names = {'mmcvgssl', *COMPUTING, *also, *(READING if reading else ())}
    for kind in _types(configs):
        short = kind.rpartition('.')[2]
        for start, packages in OWNERS.items():
            if kind.startswith(start) or short.startswith(start):
                names.update(packages)
    known = _versions()
    return Provenance({'version': {n: known[n] for n in sorted(names)}})


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    # '+cpu' and the like mark builds of one version
    return {k: v.partition('+')[0] for k, v in env.versions().items()}


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        kind = value.get('type')
        if isinstance(kind, type):
            yield f'{kind.__module__}.{kind.__name__}'
        elif isinstance(kind, str):
            yield kind
        for item in value.values():
            yield from _types(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _types(item)


def _infos(data_set: Any) -> Iterator[tuple[dict, str]]:
    """Return what each image's info holds, and the folder of the data."""
    indices: Any = None
    if isinstance(data_set, Subset):
        data_set, indices = data_set.dataset, data_set.indices
    while not hasattr(data_set, 'get_data_info'):
        if not hasattr(data_set, 'dataset'):
            raise TypeError(
                f'{type(data_set).__name__} does not say which images it '
                'gives: expected a data set with get_data_info(i), as of '
                'mmengine.BaseDataset, or a wrapper with `dataset`; add the '
                'method'
            )
        data_set = data_set.dataset
    parts = getattr(data_set, 'datasets', None)
    if parts is not None and indices is None:
        for part in parts:
            yield from _infos(part)
        return
    if hasattr(data_set, 'full_init'):
        data_set.full_init()
    count = getattr(data_set, 'n_images', None)
    root = str(getattr(data_set, 'data_root', '') or '')
    for i in range(count or len(data_set)) if indices is None else indices:
        yield data_set.get_data_info(i), root


def _root(named: str | None, paths: Sequence[str]) -> str:
    """Return the folder to name files from: the data's, if all are in it."""
    root = os.path.abspath(named) if named else ''
    if root and all(Path(path).is_relative_to(root) for path in paths):
        return root
    return os.path.commonpath([os.path.dirname(path) for path in paths])


def _content(text: str) -> str:
    """Return what a text names, if it is a file or a folder of maps."""
    path = Path(text)
    try:
        if path.is_file():
            return of_file(path)
        lists = [path / name for name in ('manifest.jsonl', RECORD)]
        found = [file for file in lists if file.is_file()]
    except (OSError, ValueError):  # too long for a name, or with a zero
        found = []
    return ', '.join(map(of_file, found)) or text
