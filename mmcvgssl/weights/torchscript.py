"""The weights of a TorchScript archive, without its code.

Such an archive holds a tree of objects, tensors as raw bytes, and a program
for each class. ``torch.jit.load`` runs parts of the programs; here the tree
is read with inert stand-ins for every class.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmcvgssl.weights.errors import WeightsError

_KINDS = {
    'Double': torch.float64,
    'Float': torch.float32,
    'Half': torch.float16,
    'BFloat16': torch.bfloat16,
    'Long': torch.int64,
    'Int': torch.int32,
    'Short': torch.int16,
    'Char': torch.int8,
    'Byte': torch.uint8,
    'Bool': torch.bool,
}
# what a class says its weights are, in the text of its program
_CLASS = re.compile(
    r'^class (\w+)\(Module\):\s+__parameters__ = \[(.*?)\]\s+'
    r'__buffers__ = \[(.*?)\]',
    re.MULTILINE | re.DOTALL,
)
_MOST_MODULES = 100_000
_MOST_TEXT = 1 << 26  # bytes of programs


class _Inert:
    """Stands for an object of any class; does nothing."""

    kind = ''

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def is_torchscript(path: str | Path) -> bool:
    """Whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(n.endswith('/constants.pkl') for n in archive.namelist())


def read_torchscript(path: str | Path) -> dict[str, Tensor]:
    """Return parameters and buffers of a TorchScript archive by name.

    Args:
        path: The file.

    Raises:
        WeightsError: If it is something else, or cut off.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_lengths(archive, Path(path).stat().st_size)
            root = archive.namelist()[0].partition('/')[0]
            with archive.open(f'{root}/data.pkl') as file:
                tree = _Reader(file, archive, root).load()
            weights = _weights_of_classes(archive, root)
        state = _collect(tree, weights)
    except Exception as error:
        text = ' '.join(f'{type(error).__name__}: {error}'.split())[:300]
        raise WeightsError(
            f'Expected the weights of a TorchScript archive in {path}, but it '
            f'cannot be read as such: {text}. Download it again, or save it '
            'as a plain state dict.'
        ) from error
    return state


class _Reader(pickle.Unpickler):
    """Reads the tree; every class is inert, and nothing is imported."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(file)
        self.archive, self.root = archive, root
        self.classes: dict[str, type] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Give what a name stands for here."""
        full = f'{module}.{name}'
        if full == 'torch._utils._rebuild_tensor_v2':
            return _tensor
        if full == 'collections.OrderedDict':
            return dict
        if module == 'torch' and name.endswith('Storage'):
            return name.removesuffix('Storage')
        if module == 'torch.jit._pickle':
            return _first
        if module.split('.')[0] == '__torch__':
            if full not in self.classes:
                self.classes[full] = type(name, (_Inert,), {'kind': full})
            return self.classes[full]
        raise pickle.UnpicklingError(f'it names {full[:80]}')

    def persistent_load(self, pid: Any) -> Tensor:
        """Read the numbers that a tensor is a view of."""
        _, kind, key, _, count = pid
        if not re.fullmatch(r'\w{1,40}', key):
            raise pickle.UnpicklingError(f'it names a storage {key[:40]!r}')
        data = self.archive.read(f'{self.root}/data/{key}')
        if len(data) < count * _KINDS[kind].itemsize:
            raise pickle.UnpicklingError(f'storage {key} is too short')
        if not data:
            return torch.empty(0, dtype=_KINDS[kind])
        return torch.frombuffer(bytearray(data), dtype=_KINDS[kind])


def _tensor(
    values: Tensor, offset: int, size: Any, stride: Any, *_: Any
) -> Tensor:
    if 0 in size:
        return torch.empty(size, dtype=values.dtype)
    last = offset + sum(
        (n - 1) * step for n, step in zip(size, stride, strict=True)
    )
    if min(offset, *size, *stride, 0) < 0 or last >= values.numel():
        raise pickle.UnpicklingError(f'a tensor of {tuple(size)} is too large')
    view = values.as_strided(tuple(size), tuple(stride), offset)
    if view.numel() > values.numel():
        raise pickle.UnpicklingError(f'a tensor of {tuple(size)} is too large')
    return view.clone()


def _first(value: Any, *_: Any) -> Any:
    return value


def _check_lengths(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse tensors that are compressed: torch writes them as they are."""
    texts = [i for i in archive.infolist() if '/code/' in i.filename]
    named = {info.filename for info in texts}
    rest = [i for i in archive.infolist() if i.filename not in named]
    if (
        sum(info.file_size for info in rest) > size
        or sum(info.file_size for info in texts) > _MOST_TEXT
    ):
        raise ValueError('it holds more bytes than the file has')


def _weights_of_classes(
    archive: zipfile.ZipFile, root: str
) -> dict[str, set[str]]:
    """Return the names of parameters and buffers of each class."""
    found: dict[str, set[str]] = {}
    start, end = f'{root}/code/', '.py'
    for name in archive.namelist():
        if not (name.startswith(start) and name.endswith(end)):
            continue
        module = name.removeprefix(start).removesuffix(end).replace('/', '.')
        for kind, *lists in _CLASS.findall(archive.read(name).decode()):
            names = re.findall(r'"([^"]+)"', ' '.join(lists))
            found[f'{module}.{kind}'] = set(names)
    return found


def _collect(tree: Any, weights: dict[str, set[str]]) -> dict[str, Tensor]:
    """Name tensors by the attributes that lead to them."""
    state: dict[str, Tensor] = {}
    waiting, count = [(tree, '')], 0
    while waiting:
        node, prefix = waiting.pop()
        count += 1
        if not isinstance(node, _Inert) or count > _MOST_MODULES:
            raise pickle.UnpicklingError('it holds no modules, or too many')
        own = weights.get(node.kind)
        if own is None:
            continue  # no module
        for key, value in node.attributes.items():
            if isinstance(value, Tensor) and key in own:
                state[f'{prefix}{key}'] = value
        inner = [
            (value, f'{prefix}{key}.')
            for key, value in node.attributes.items()
            if isinstance(value, _Inert)
        ]
        waiting += reversed(inner)
    return state
