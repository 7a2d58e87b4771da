"""The loss of SSPCABs in models of the hosts."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmcvgssl.models.layers import add_sspcab_loss, needs_sspcab_loss
from mmcvgssl.registry import HOOKS


@HOOKS.register_module()
class SSPCABLossHook(Hook):
    """Have the model of a training add ``loss_sspcab`` to its loss dict.

    For models of the hosts with a backbone :class:`WithSSPCAB`; models of
    this package add it themselves. ``mmcvgssl train`` adds this hook where it
    is needed.
    """

    def before_train(self, runner: Runner) -> None:
        """See to it, in the model within the wrapper of DDP."""
        model = getattr(runner.model, 'module', runner.model)
        if needs_sspcab_loss(model):
            add_sspcab_loss(model)


def collect_sspcab_loss(runner: Runner) -> None:
    """Add :class:`SSPCABLossHook` to a training that needs and lacks it."""
    model = getattr(runner.model, 'module', runner.model)
    there = any(isinstance(hook, SSPCABLossHook) for hook in runner.hooks)
    trains = runner.cfg.get('train_dataloader') is not None
    if trains and not there and needs_sspcab_loss(model):
        runner.logger.info(
            f'mmcvgssl.SSPCABLossHook added: {type(model).__name__} does not '
            'add the loss of SSPCAB itself'
        )
        runner.register_hook(SSPCABLossHook())
