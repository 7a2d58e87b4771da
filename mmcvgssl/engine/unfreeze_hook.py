"""Training the new parts of a model before the pretrained ones."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmcvgssl.registry import HOOKS


@HOOKS.register_module()
class UnfreezeHook(Hook):
    """Freeze parts of a model at first: weights and statistics of norms.

    Whether an iteration is early depends on its number alone, so a resumed
    run goes on as it would have. What the model itself freezes stays so.

    Args:
        modules: Names of the parts within the model.
        iters: Iterations for which they are frozen.
        epochs: The time in epochs; one of both is given.
        keep: Names of modules in these parts that are trained all the same,
            such as a new block in a pretrained backbone.

    Raises:
        ValueError: If not one of ``iters`` and ``epochs`` is given, a name
            is missing from the model, or DDP would wait for gradients of
            what is frozen.
    """

    priority = 'VERY_HIGH'

    def __init__(
        self,
        modules: str | Sequence[str] = 'backbone',
        iters: int | None = None,
        epochs: int | None = None,
        keep: str | Sequence[str] = (),
    ) -> None:
        if (iters is None) == (epochs is None) or (iters or epochs or 0) < 0:
            raise ValueError(
                'UnfreezeHook takes `iters` or `epochs`, a number of 0 or '
                f'more; got iters={iters}, epochs={epochs}'
            )
        self.iters, self.epochs = iters, epochs
        self.modules, self.keep = _names(modules), _names(keep)
        self._parameters: list[nn.Parameter] = []
        self._frozen = False

    def before_train(self, runner: Runner) -> None:
        """Note what is to be trained later, and check DDP."""
        trained_ids = {
            id(parameter)
            for part in _parts(runner, self.keep)
            for parameter in part.parameters()
        }
        self._parameters = [
            parameter
            for part in _parts(runner, self.modules)
            for parameter in part.parameters()
            if parameter.requires_grad and id(parameter) not in trained_ids
        ]
        model = runner.model
        if (
            self._is_early(runner)
            and isinstance(model, DistributedDataParallel)
            and not model.find_unused_parameters
        ):
            raise ValueError(
                'UnfreezeHook leaves weights without gradients at first, for '
                'which DDP waits: set find_unused_parameters=True in the '
                'config'
            )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Freeze or unfreeze."""
        early = self._is_early(runner)
        if early:  # each time: loops call train() as they like
            for part in _parts(runner, self.modules):
                part.eval()
            for part in _parts(runner, self.keep):
                part.train()
        if early != self._frozen:
            self._set(runner, early)

    def after_train(self, runner: Runner) -> None:
        """Leave nothing frozen behind."""
        if self._frozen:
            self._set(runner, False)

    def _is_early(self, runner: Runner) -> bool:
        if self.iters is not None:
            return runner.iter < self.iters
        return runner.epoch < (self.epochs or 0)

    def _set(self, runner: Runner, frozen: bool) -> None:
        self._frozen = frozen
        for parameter in self._parameters:
            parameter.requires_grad_(not frozen)
        if not frozen:
            for part in _parts(runner, self.modules):
                part.train()
        state = 'frozen' if frozen else 'trained from now on'
        runner.logger.info(
            f'{", ".join(self.modules)}: {len(self._parameters)} weights are '
            f'{state} (iteration {runner.iter})'
        )


def _names(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _parts(runner: Runner, names: Sequence[str]) -> list[nn.Module]:
    """Return modules of the model by name."""
    model = getattr(runner.model, 'module', runner.model)
    parts = []
    for name in names:
        try:
            parts.append(model.get_submodule(name))
        except AttributeError as error:
            children = ', '.join(n for n, _ in model.named_children())
            raise ValueError(
                f'UnfreezeHook: {type(model).__name__} has no module '
                f'{name!r}; its parts are {children}'
            ) from error
    return parts
