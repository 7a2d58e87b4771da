"""The module that a training updates."""

from __future__ import annotations

from typing import Any

from torch import nn


def learner(model: nn.Module) -> Any:
    """Return what the optimiser updates of a runner's model.

    That is the model without the wrapper of several processes, and of a mean
    teacher and its student (mmdet's ``SemiBaseDetector``) the student.

    Args:
        model: Model of a runner.

    Example:
        >>> from torch import nn
        >>> pair = nn.Module()
        >>> pair.student, pair.teacher = nn.Linear(2, 1), nn.Linear(2, 1)
        >>> learner(pair) is pair.student, learner(pair.student)
        (True, Linear(in_features=2, out_features=1, bias=True))
    """
    model = getattr(model, 'module', model)
    return getattr(model, 'student', model)
