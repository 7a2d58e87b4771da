"""Fit a map generator to images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader

from mmcvgssl.engine.fit_loader import fit_loader, holdout_loader
from mmcvgssl.engine.fit_provenance import (
    of_model,
    of_transforms,
    read_foreign,
)
from mmcvgssl.locks import locked
from mmcvgssl.models.anomaly import AnomalyModel, FittedStateError
from mmcvgssl.models.anomaly.fitted_state import read_provenance
from mmcvgssl.models.anomaly.partial_fit import PartialFit
from mmcvgssl.models.anomaly.passes import Passes
from mmcvgssl.processes import on_first_process
from mmcvgssl.provenance import Provenance, of_dataset, settle
from mmcvgssl.registry import LOOPS


@LOOPS.register_module()
class FitLoop(BaseLoop):
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
        if save_every < 0:
            raise ValueError(
                'fit_cfg.save_every is a number of seconds, 0 for never, got '
                f'{save_every}'
            )
        # the loader is made when it is known that something is to be fitted
        super().__init__(runner, None)
        model = getattr(runner.model, 'module', runner.model)
        if not isinstance(model, AnomalyModel):
            raise TypeError(
                'FitLoop fits the map generators of mmcvgssl.models.anomaly, '
                f'got {type(model).__name__}; train it by tools/train.py'
            )
        self.model = model
        self.path = Path(state or Path(runner.work_dir, 'fitted.safetensors'))
        self.must_exist, self.save_every = must_exist, save_every
        self.provenance: Provenance | None = None
        self.held_out: DataLoader | None = None

    def prepare(self) -> None:
        """Find out, once, what the fitted state depends on.

        Raises:
            ValueError: If the model needs images and the config names none.
            FittedStateError: If ``must_exist`` and the state does not fit.
        """
        model, cfg = self.model, self.runner.cfg
        if self.provenance is not None:
            return
        if model.fitted:
            self.provenance = model.provenance
            return
        if self.must_exist:
            self.provenance = read_foreign(model, self.path, cfg)
            return
        config = cfg.get('fit_dataloader')
        if config is None:
            raise ValueError(
                f'{type(model).__name__} learns from images, and the config '
                'has no `fit_dataloader` that names them'
            )
        self.dataloader = fit_loader(config.to_dict(), model)
        try:
            known = read_provenance(self.path)
        except FittedStateError:  # said when it is to be used
            known = None
        self.provenance = (
            of_model(model, cfg)
            | Provenance({'transforms': of_transforms(config)})
            | of_dataset(self.dataloader.dataset, 'fit_images', known)
        )
        self.held_out = holdout_loader(cfg, model)
        if self.held_out is not None:
            steps = of_transforms(cfg.holdout_dataloader)
            self.provenance |= Provenance({'held_out_transforms': steps})
            self.provenance |= of_dataset(
                self.held_out.dataset, 'held_out_images', known
            )

    def run(self) -> AnomalyModel:
        """Fit, or read what was fitted before; return the model.

        Raises:
            ProvenanceError: If the file does not say what it depends on.
        FolderInUseError: If another run fits to this file.
        """
        self.prepare()
        if self.model.fitted or self.provenance is None:
            return self.model
        reused = settle(
            self.provenance,
            self.path.parent,
            [self.path.name],
            f'the state fitted in {self.path}',
            self.path.name,
            read_provenance,
        )

        partial = PartialFit(self.path, self.provenance, self.save_every)
        if reused:
            self._read()
            on_first_process(partial.remove_own)
        else:
            # its own lock: the caller may have locked the folder already
            with locked(self.path.parent, f'.{self.path.name}.in_use'):
                self._fit(partial)
        return self.model

    def _fit(self, partial: PartialFit) -> None:
        partial.settle()
        passes = Passes(partial, bar=True)
        self.model.fit(self.dataloader, self.held_out, passes)
        self.model.provenance = self.provenance
        on_first_process(lambda: self._write(partial))

    def _read(self) -> None:
        """Read the state in one process, and give it to the others."""

        def read() -> bytes:
            self.model.load_fitted(self.path)
            return self.model.fitted_bytes()

        state = on_first_process(read)
        if not is_main_process():
            self.model.load_fitted_bytes(state)

    def _write(self, partial: PartialFit) -> None:
        self.model.save_fitted(self.path)
        self.runner.logger.info(f'fitted state written to {self.path}')
        partial.remove()


def fit_loop(runner: Runner) -> FitLoop:
    """Build the loop that ``fit_cfg`` of the runner's config describes."""
    config: dict[str, Any] = dict(runner.cfg.get('fit_cfg') or {})
    config.setdefault('type', 'mmcvgssl.FitLoop')
    return LOOPS.build(config, default_args={'runner': runner})


def fit(runner: Runner) -> AnomalyModel:
    """Fit a runner's model, or read what was fitted; return the model."""
    return fit_loop(runner).run()
