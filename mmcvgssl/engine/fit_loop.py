"""Fit a map generator to images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.runner import BaseLoop, Runner

from mmcvgssl.engine.fitting import Fitting
from mmcvgssl.models.anomaly import AnomalyModel
from mmcvgssl.registry import LOOPS


@LOOPS.register_module()
class FitLoop(Fitting, BaseLoop):
    """Fit the model to ``fit_dataloader`` of the config, once.

    Where the config has a ``holdout_dataloader``, calibration and threshold
    are measured on its images, and nothing learns from them.

    What was learned is saved in a file, which a later run of the same
    settings, images, weights and transforms reads; a state of others is
    moved to the folder ``earlier``. A fit that is interrupted goes on, in a
    later run, after the last batches that were put aside: see
    :class:`~mmcvgssl.models.anomaly.partial_fit.PartialFit`.

    Every process reads and computes its share of the batches; what is
    learned is what one process would learn.

    Args:
        runner: Its model is a map generator.
        state: The file; by default ``fitted.safetensors`` in the work
            directory.
        must_exist: Never fit: read ``state``, and refuse one of other
            settings, weights or transforms.
        save_every: Seconds after which what was gathered is put aside, as it
            is at Ctrl-C, SIGTERM and errors; 0: never.

    Attributes:
        provenance: Provenance of the fitted state; None before
            :meth:`prepare`, and for a model that was fitted without a
            Runner.

    Raises:
        TypeError: If the model is no map generator.
        ValueError: If ``save_every`` is negative.
    """

    def __init__(
        self,
        runner: Runner,
        state: str | None = None,
        must_exist: bool = False,
        save_every: float = 30.0,
    ) -> None:
        model = getattr(runner.model, 'module', runner.model)
        if not isinstance(model, AnomalyModel):
            raise TypeError(
                'FitLoop fits the map generators of mmcvgssl.models.anomaly, '
                f'got {type(model).__name__}; train it by mmcvgssl train'
            )
        # the loader is made when it is known that something is to be fitted
        BaseLoop.__init__(self, runner, None)
        path = Path(state or Path(runner.work_dir, 'fitted.safetensors'))
        Fitting.__init__(self, model, runner.cfg, path, must_exist, save_every)


def fit_loop(runner: Runner) -> FitLoop:
    """Build the loop that ``fit_cfg`` of the runner's config describes."""
    config: dict[str, Any] = dict(runner.cfg.get('fit_cfg') or {})
    config.setdefault('type', 'mmcvgssl.FitLoop')
    return LOOPS.build(config, default_args={'runner': runner})


def fit(runner: Runner) -> AnomalyModel:
    """Fit a runner's model, or read what was fitted; return the model."""
    return fit_loop(runner).run()
