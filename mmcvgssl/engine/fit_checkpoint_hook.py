"""Loading a checkpoint of a model with other classes."""

from __future__ import annotations

from dataclasses import replace

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner

from mmcvgssl.registry import HOOKS
from mmcvgssl.weights import plain_state
from mmcvgssl.weights.load import (
    FITTING,
    LEAST,
    core_of,
    fit_report,
    require_share,
)
from mmcvgssl.weights.tables import resize_tables


@HOOKS.register_module()
class FitCheckpointHook(Hook):
    """Load of ``load_from`` what fits, and name what starts anew.

    Tensors of another shape, as a head has for another number of classes,
    keep their initial values; position tables are resized. A resumed run and
    a test need all of a checkpoint, see :class:`CheckWeightsHook`.

    Args:
        least: Share of the backbone's weights that must fit, in [0, 1].

    Raises:
        mmcvgssl.weights.KeyMismatchError: If too few weights of the
            backbone fit.
    """

    priority = 'VERY_HIGH'

    def __init__(self, least: float = LEAST) -> None:
        if not 0 <= least <= 1:
            raise ValueError(f'least is a share in [0, 1], got {least}')
        self.least = least

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Leave out of ``checkpoint`` what does not fit the model."""
        # the loop is built when training starts, before loading
        if runner._resume or not isinstance(runner._train_loop, BaseLoop):
            return
        model = getattr(runner.model, 'module', runner.model)
        state = resize_tables(model, plain_state(checkpoint))
        source = str(runner._load_from)
        policy = replace(FITTING, least=self.least)
        core, inner = core_of(model, state)
        report = fit_report(core, inner)
        require_share(report, type(core).__name__, source, policy)

        report = fit_report(model, state)
        own = model.state_dict()
        checkpoint['state_dict'] = {
            k: v
            for k, v in state.items()
            if k not in own or own[k].shape == v.shape
        }
        anew = [*report.mismatched, *report.missing]
        runner.logger.info(
            f'{source}: {len(report.matched)} weights fit; '
            f'{len(anew)} start anew: {", ".join(anew) or "none"}'
        )
