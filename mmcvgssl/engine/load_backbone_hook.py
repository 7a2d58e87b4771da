"""Loading the backbone of an earlier stage of training."""

from __future__ import annotations

from dataclasses import replace

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn

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
            infinity, a whole checkpoint
            is to be loaded as well, or stages are frozen that have no
            trained weights.
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
        model = getattr(runner.model, 'module', runner.model)
        path = self.checkpoint or runner.cfg.get('backbone_checkpoint')
        if not path:
            _check_frozen(model, bool(runner._load_from))
            print_log(
                f'No backbone_checkpoint: {type(model.backbone).__name__} '
                f'starts from {_start(model, runner._load_from)}',
                'current',
            )
            return
        if runner._load_from:
            raise ValueError(
                f'load_from={runner._load_from!r} holds a backbone, and '
                f'backbone_checkpoint={path!r} another; set one of them'
            )
        load(model.backbone, path, replace(FITTING, least=self.least))


def _start(model: nn.Module, load_from: str | None) -> str:
    if load_from:
        return f'load_from={load_from!r}'
    parts = {'model': model, 'model.backbone': model.backbone}
    for name, part in parts.items():
        for key in ('init_cfg', 'weights'):
            if getattr(part, key, None):
                return f'{name}.{key}={getattr(part, key)!r}'
    return 'random weights'


def _check_frozen(model: nn.Module, loaded: bool) -> None:
    backbone = model.backbone
    stages = getattr(backbone, 'frozen_stages', -1)
    initial = [getattr(m, 'init_cfg', None) for m in (model, backbone)]
    if stages >= 0 and not loaded and not any(initial):
        raise ValueError(
            f'frozen_stages={stages} of {type(backbone).__name__} would '
            'freeze random weights: set backbone_checkpoint to the '
            'checkpoint of a pretrained backbone, or '
            'model.backbone.frozen_stages to -1'
        )
