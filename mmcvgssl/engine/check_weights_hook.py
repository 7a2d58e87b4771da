"""Checks of a checkpoint before a run uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmengine.runner import BaseLoop, Runner
from torch import Tensor, nn

from mmcvgssl.registry import HOOKS
from mmcvgssl.weights import WeightsError, check_values, plain_state
from mmcvgssl.weights.load import require_whole

_STATES = ('state_dict', 'ema_state_dict')


@HOOKS.register_module()
class CheckWeightsHook(Hook):
    """Check a checkpoint before a run takes it.

    mmengine takes what fits, warns and goes on. A test and a resumed run need
    all of a model; what a training starts with is for
    :class:`FitCheckpointHook`.

    Raises:
        mmcvgssl.weights.KeyMismatchError: If weights are missing, left over
            or of another shape.
        mmcvgssl.weights.WeightsError: If a value is NaN or infinite, or the
            checkpoint holds code that resuming would run.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Look at all of it."""
        source = str(runner._load_from)
        model = getattr(runner.model, 'module', runner.model)
        for key in _STATES:
            value = checkpoint.get(key)
            if isinstance(value, Mapping):
                tensors = {k: v for k, v in value.items() if _is_tensor(v)}
                check_values(tensors, f'{source} ({key})')
        state = plain_state(checkpoint)
        if runner._resume:
            _check_training_state(runner, checkpoint, source)
        elif isinstance(runner._train_loop, BaseLoop):
            return
        if isinstance(model, BaseTTAModel):
            model = model.module
        require_whole(model, state, source)


def _check_training_state(
    runner: Runner, checkpoint: dict, source: str
) -> None:
    if 'config' in checkpoint.get('meta', {}):
        raise WeightsError(
            f"{source}: expected the config of a run in meta['cfg'], got one "
            "in meta['config'], which mmengine would run as code. Start from "
            'its weights instead (load_from, without --resume)'
        )
    value = checkpoint.get('optimizer')
    if value is None:
        runner.logger.warning(
            f'{source} holds no state of the optimizer, which starts anew'
        )
    else:
        check_values(dict(_tensors(value)), f'{source} (optimizer)')


def _tensors(value: Any, name: str = '') -> list[tuple[str, Tensor]]:
    if _is_tensor(value):
        return [(name, value)]
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        inner = list(value.items())
    elif isinstance(value, (list, tuple)):
        inner = list(enumerate(value))
    found = [_tensors(value, f'{name}.{key}') for key, value in inner]
    return [item for part in found for item in part]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (Tensor, nn.Parameter))
