"""Fit a map generator before it is tested."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmcvgssl.engine.fit_loop import FitLoop, fit_loop
from mmcvgssl.models.anomaly import AnomalyModel
from mmcvgssl.provenance import Provenance
from mmcvgssl.registry import HOOKS


@HOOKS.register_module()
class AnomalyFitHook(Hook):
    """Run the loop of ``fit_cfg`` before a test: see :class:`FitLoop`.

    A model that is fitted, or is no map generator, is left as it is.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._loop: FitLoop | None = None

    @property
    def provenance(self) -> Provenance | None:
        """What the fitted state depends on; None where nothing is fitted."""
        return None if self._loop is None else self._loop.provenance

    def before_run(self, runner: Runner) -> None:
        """Find out what the fitted state is to depend on."""
        self.prepare(runner)

    def prepare(self, runner: Runner) -> None:
        """Look at the images, once; see :meth:`FitLoop.prepare`."""
        model = getattr(runner.model, 'module', runner.model)
        if not isinstance(model, AnomalyModel):
            return
        if self._loop is None:
            self._loop = fit_loop(runner)
        self._loop.prepare()

    def before_test(self, runner: Runner) -> None:
        """Fit, or read what was fitted before."""
        self.prepare(runner)
        if self._loop is not None:
            self._loop.run()
