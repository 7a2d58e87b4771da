"""Loading the backbone of an earlier stage of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmcvgssl.models.learner import learner
from mmcvgssl.registry import HOOKS
from mmcvgssl.weights import FITTING, load
from mmcvgssl.weights.load import LEAST


@HOOKS.register_module()
class LoadBackboneHook(Hook):
    """Load the backbone of another run's checkpoint before training.

    It works for every backbone and whatever the model does to initialise
    itself. A resumed run has its weights already.

    Args:
        checkpoint: Checkpoint of any stage, or plain weights; by default the
            config's top-level ``backbone_checkpoint``. Nothing is loaded where
            both are empty.
        least: Share of the backbone's weights that must fit, in [0, 1].

    Raises:
        FileNotFoundError: If the file does not exist.
        mmcvgssl.weights.KeyMismatchError: If too few weights fit.
        ValueError: If the file cannot be read as weights or holds NaN or
            infinity, a whole checkpoint is to be loaded as well, or stages
            are frozen that have no trained weights.
    """

    priority = 'VERY_HIGH'

    def __init__(
        self, checkpoint: str | None = None, least: float = LEAST
    ) -> None:
        if not 0 <= least <= 1:
            raise ValueError(f'least is a share in [0, 1], got {least}')
        self.checkpoint = checkpoint
        self.least = least

    def before_train(self, runner: Runner) -> None:
        """Load, unless the run is resumed."""
        # asked to resume, a run may have found nothing to resume from
        if runner._resume and runner._has_loaded:
            return
        model = learner(runner.model)
        path = self.checkpoint or runner.cfg.get('backbone_checkpoint')
        if not path:
            start = _start(model, model.backbone, runner._load_from)
            kind = type(model.backbone).__name__
            _check_frozen(model.backbone, kind, start)
            print_log(
                f'No backbone_checkpoint: {kind} starts from '
                f'{start or "random weights"}',
                'current',
            )
            return
        if runner._load_from:
            raise ValueError(
                f'load_from={runner._load_from!r} holds a backbone, and '
                f'backbone_checkpoint={path!r} another; set one of them'
            )
        load(model.backbone, path, replace(FITTING, least=self.least))


def check_backbone_checkpoint(cfg: Config) -> None:
    """Find out, before a training is built, whether its backbone can start.

    Args:
        cfg: Config of the training; others than those with a
            :class:`LoadBackboneHook` are passed over.

    Raises:
        FileNotFoundError: If the checkpoint does not exist.
        ValueError: If stages are frozen that would have random weights.

    Example:
        >>> from mmengine.config import Config
        >>> check_backbone_checkpoint(Config(dict(
        ...     custom_hooks=[dict(type='mmcvgssl.LoadBackboneHook')],
        ...     backbone_checkpoint='gone.pth')))
        Traceback (most recent call last):
        ...
        FileNotFoundError: backbone_checkpoint: no such file: gone.pth
    """
    for hook in cfg.get('custom_hooks') or ():
        if not isinstance(hook, Mapping) or cfg.get('resume'):
            continue
        if str(hook.get('type')).split('.')[-1] != LoadBackboneHook.__name__:
            continue
        path = hook.get('checkpoint') or cfg.get('backbone_checkpoint')
        if path and not Path(path).is_file():
            raise FileNotFoundError(
                f'backbone_checkpoint: no such file: {path}'
            )
        model = cfg.get('model') or {}
        model = model.get('detector') or model  # of a mean teacher
        backbone = model.get('backbone') or {}
        start = path or _start(model, backbone, cfg.get('load_from'))
        _check_frozen(backbone, str(backbone.get('type')), start)


def _start(model: Any, backbone: Any, load_from: str | None) -> str:
    """Say where a backbone's weights come from; '' if they are random.

    Args:
        model: A model, or its config.
        backbone: Its backbone, or the config of that.
        load_from: A checkpoint of the whole model.
    """
    if load_from:
        return f'load_from={load_from!r}'
    for name, part in (('model', model), ('model.backbone', backbone)):
        own = _value(part, 'init_cfg') or ()
        for init in own if isinstance(own, (list, tuple)) else [own]:
            # others draw weights
            if isinstance(init, Mapping) and 'checkpoint' in init:
                return f'{name}.init_cfg={init!r}'
        if _value(part, 'weights'):
            return f'{name}.weights={_value(part, "weights")!r}'
    return ''


def _check_frozen(backbone: Any, kind: str, start: str) -> None:
    stages = _value(backbone, 'frozen_stages', -1)
    if stages >= 0 and not start:
        raise ValueError(
            f'frozen_stages={stages} of {kind} would freeze random weights: '
            'set backbone_checkpoint to the checkpoint of a pretrained '
            'backbone, or model.backbone.frozen_stages to -1'
        )


def _value(part: Any, key: str, default: Any = None) -> Any:
    """Return what a module, or the config of one, has by a name."""
    if isinstance(part, Mapping):
        return part.get(key, default)
    return getattr(part, key, default)
