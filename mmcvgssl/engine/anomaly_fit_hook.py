"""Fit a map generator before it is tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from mmcvgssl.models.anomaly import AnomalyModel, FittedStateError
from mmcvgssl.models.anomaly.fitted_state import (
    provenance_of,
    read_provenance,
)
from mmcvgssl.processes import on_first_process
from mmcvgssl.provenance import (
    Provenance,
    of_config,
    of_dataset,
    of_versions,
    require_same,
    settle,
)
from mmcvgssl.registry import HOOKS


@HOOKS.register_module()
class AnomalyFitHook(Hook):
    """Fit the model to ``fit_dataloader`` of the config, once.

    Where the config has a ``holdout_dataloader``, calibration and threshold
    are measured on its images, and nothing learns from them.

    The first process fits and hands the state to the others, which wait for
    as long as it takes. It is kept in a file, which a later run of the same
    settings, images, weights and transforms reads; a state of others is
    moved to the folder ``earlier``.

    Args:
        state: The file; by default ``fitted.safetensors`` in the work
            directory.
        must_exist: Never fit: read ``state``, and refuse one of other
            settings, weights or transforms.

    Attributes:
        provenance: What the fitted state depends on; None where nothing is
            fitted.

    Raises:
        ValueError: If the model needs images and the config names none.
        FittedStateError: If ``must_exist`` and the state does not fit.
        ProvenanceError: If the file does not say what it depends on.
    """

    priority = 'VERY_HIGH'

    def __init__(
        self, state: str | None = None, must_exist: bool = False
    ) -> None:
        self.state, self.must_exist = state, must_exist
        self.provenance: Provenance | None = None
        self._loader: DataLoader | None = None
        self._held_out: DataLoader | None = None

    def before_run(self, runner: Runner) -> None:
        """Find out what the fitted state is to depend on."""
        self.prepare(runner)

    def prepare(self, runner: Runner) -> None:
        """Build the loader and look at what it gives, once."""
        model = getattr(runner.model, 'module', runner.model)
        if self.provenance is not None or not isinstance(model, AnomalyModel):
            return
        if model.fitted:
            self.provenance = model.provenance
            return
        path = self._path(runner)
        if self.must_exist:
            self.provenance = _read_foreign(model, path, runner.cfg)
            return
        config = runner.cfg.get('fit_dataloader')
        if config is None:
            raise ValueError(
                f'{type(model).__name__} learns from images, and the config '
                'has no `fit_dataloader` that names them'
            )
        self._loader = fit_loader(config.to_dict(), model)
        try:
            known = read_provenance(path)
        except FittedStateError:  # said when it is to be used
            known = None
        self.provenance = (
            of_model(model, runner.cfg)
            | Provenance({'transforms': of_transforms(config)})
            | of_dataset(self._loader.dataset, 'fit_images', known)
        )
        self._held_out = holdout_loader(runner.cfg, model)
        if self._held_out is not None:
            steps = of_transforms(runner.cfg.holdout_dataloader)
            self.provenance |= Provenance({'held_out_transforms': steps})
            self.provenance |= of_dataset(
                self._held_out.dataset, 'held_out_images', known
            )

    def before_test(self, runner: Runner) -> None:
        """Fit, or read what was fitted before."""
        model = getattr(runner.model, 'module', runner.model)
        if not isinstance(model, AnomalyModel) or model.fitted:
            return
        self.prepare(runner)
        if self._loader is None or self.provenance is None:
            return
        path = self._path(runner)
        kept = settle(
            self.provenance,
            path.parent,
            [path.name],
            f'the state fitted in {path}',
            path.name,
            read_provenance,
        )
        loader, apart = self._loader, self._held_out
        depends_on = self.provenance

        def fit() -> bytes:
            if kept:
                model.load_fitted(path)
            else:
                held_out = None if apart is None else Progress(apart)
                model.fit(Progress(loader), held_out)
                model.provenance = depends_on
                model.save_fitted(path)
                runner.logger.info(f'fitted state written to {path}')
            return model.fitted_bytes()

        state = on_first_process(fit)
        if not is_main_process():
            model.load_fitted_bytes(state)

    def _path(self, runner: Runner) -> Path:
        return Path(self.state or Path(runner.work_dir, 'fitted.safetensors'))


class Progress:
    """A loader with a bar, for each time it is run through."""

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[dict]:
        yield from tqdm(self.loader, desc='fitting', unit='batch')


def of_model(model: AnomalyModel, cfg: Config) -> Provenance:
    """Return what a map generator's maps depend on, images aside."""
    data = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor')
    return Provenance(
        {'model': model.settings, 'data_preprocessor': of_config(data)}
    ) | of_versions(cfg.model)


def of_transforms(loader: dict) -> list[Any]:
    """Return the steps of a loader's data set that change its images."""
    steps: Sequence[dict] = loader['dataset'].get('pipeline') or ()
    return [
        of_config(step)
        for step in steps
        if not str(step['type']).endswith(('LoadMask', 'PackInputs'))
    ]


def holdout_loader(cfg: Config, model: AnomalyModel) -> DataLoader | None:
    """Make a loader over the images held out, if the config names some."""
    config = cfg.get('holdout_dataloader')
    return None if config is None else fit_loader(config.to_dict(), model)


def fit_loader(config: dict, model: AnomalyModel) -> DataLoader:
    """Make a loader over all fitting images, not over one process's share.

    A model that learns from a sample gets one, drawn by the loader's seed.
    """
    data_set: Dataset = DATASETS.build(config['dataset'])
    n, wanted = len(data_set), model.fit_sample  # type: ignore[arg-type]
    if 0 < wanted < n:
        random = torch.Generator().manual_seed(int(config.get('seed', 0)))
        drawn = torch.randperm(n, generator=random)[:wanted].sort().values
        data_set = Subset(data_set, drawn.tolist())
    return DataLoader(
        data_set,
        batch_size=config.get('batch_size', 16),
        num_workers=config.get('num_workers', 0),
        collate_fn=pseudo_collate,
    )


def _read_foreign(model: AnomalyModel, path: Path, cfg: Config) -> Provenance:
    """Read a state that is given, and compare how images are read."""
    model.load_fitted(path)
    theirs = model.provenance
    if theirs is None:
        return provenance_of({}, str(path))  # raises
    source = cfg.get('test_dataloader') or cfg.get('fit_dataloader')
    if source is not None:
        ours = Provenance({'transforms': of_transforms(source)})
        steps = Provenance()
        steps.values = {
            k: v
            for k, v in theirs.values.items()
            if k.startswith('transforms')
        }
        require_same(ours, steps, str(path), error=FittedStateError)
    return theirs
