"""A fit of a map generator to the images of a config, with or without a file.

What :class:`~mmcvgssl.engine.FitLoop` does in a Runner.
"""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from torch.utils.data import DataLoader

from mmcvgssl.engine.fit_loader import FitLoader, fit_loader, holdout_loader
from mmcvgssl.engine.fit_provenance import (
    of_model,
    of_transforms,
    read_foreign,
)
from mmcvgssl.locks import locked
from mmcvgssl.models.anomaly import (
    AnomalyModel,
    FittedStateError,
    Updatable,
)
from mmcvgssl.models.anomaly.fitted_state import read_provenance
from mmcvgssl.models.anomaly.partial_fit import PartialFit
from mmcvgssl.models.anomaly.passes import Passes
from mmcvgssl.processes import on_first_process
from mmcvgssl.provenance import FileState, Provenance, of_dataset, settle


class Fitting:
    """Fits a model to ``fit_dataloader`` of a config, once.

    Args:
        model: The map generator.
        cfg: Names the images.
        path: File of the fitted state, which is reused; None: no file.
        must_exist: See :class:`~mmcvgssl.engine.FitLoop`.
        save_every: See there.
        bar: Show a bar for each pass.

    Raises:
        ValueError: If ``save_every`` is negative.
    """

    def __init__(
        self,
        model: AnomalyModel,
        cfg: Config,
        path: Path | None,
        must_exist: bool = False,
        save_every: float = 30.0,
        bar: bool = True,
    ) -> None:
        if save_every < 0:
            raise ValueError(
                'fit_cfg.save_every is a number of seconds, 0 for never, got '
                f'{save_every}'
            )
        self.model, self.cfg, self.path = model, cfg, path
        self.must_exist, self.save_every = must_exist, save_every
        self.bar = bar
        self.provenance: Provenance | None = None
        # made when it is known that something is to be fitted
        self.images: FitLoader | None = None
        self.held_out: DataLoader | None = None

    def prepare(self) -> None:
        """Find out, once, what the fitted state depends on.

        Raises:
            ValueError: If the model needs images and the config names none.
            FittedStateError: If ``must_exist`` and the state does not fit.
        """
        model, cfg = self.model, self.cfg
        if self.provenance is not None:
            return
        if model.fitted:
            self.provenance = model.provenance
            return
        if self.must_exist and self.path is not None:
            self.provenance = read_foreign(model, self.path, cfg)
            return
        config = cfg.get('fit_dataloader')
        if config is None:
            raise ValueError(
                f'{type(model).__name__} learns from images, and the config '
                'has no `fit_dataloader` that names them'
            )
        self.images = fit_loader(config.to_dict(), model)
        known = None
        if self.path is not None:
            try:
                known = read_provenance(self.path)
            except FittedStateError:  # said when it is to be used
                known = None
        self.provenance = (
            of_model(model, cfg)
            | Provenance({'transforms': of_transforms(config)})
            | of_dataset(self.images.dataset, 'fit_images', known)
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
        path = self.path
        if path is None:
            self._fit(None)
            return self.model
        reused = settle(
            self.provenance,
            path.parent,
            [path.name],
            f'the state fitted in {path}',
            path.name,
            read_provenance,
        )

        partial = PartialFit(path, self.provenance, self.save_every)
        if reused:
            self._read(path)
            on_first_process(partial.remove_own)
            return self.model
        # its own lock: the caller may have locked the folder already
        with locked(path.parent, f'.{path.name}.in_use'):
            partial.settle()
            self._fit(partial)
            on_first_process(lambda: self._write(path, partial))
        return self.model

    def _fit(self, partial: PartialFit | None) -> None:
        passes = Passes(partial, bar=self.bar)
        model = self.model
        model.fit(self.images or (), self.held_out, passes)
        model.provenance = self.provenance
        if isinstance(model, Updatable):
            paths = model.measured_on
            model.note_images([FileState.of(path).digest for path in paths])

    def _read(self, path: Path) -> None:
        """Read the state in one process, and give it to the others."""

        def read() -> bytes:
            self.model.load_fitted(path)
            return self.model.fitted_bytes()

        state = on_first_process(read)
        if not is_main_process():
            self.model.load_fitted_bytes(state)

    def _write(self, path: Path, partial: PartialFit) -> None:
        self.model.save_fitted(path)
        print_log(f'fitted state written to {path}', logger='current')
        partial.remove()
