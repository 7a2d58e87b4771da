"""Fit a map generator before it is tested."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from mmcvgssl.models.anomaly import AnomalyModel, FittedStateError
from mmcvgssl.registry import HOOKS


@HOOKS.register_module()
class AnomalyFitHook(Hook):
    """Fit the model to ``fit_dataloader`` of the config, once.

    The first process fits and hands the state to the others. It is kept in a
    file, which a later run of the same settings and images reads.

    Args:
        state: The file; by default ``fitted.safetensors`` in the work
            directory.
        must_exist: Never fit: read ``state``, and refuse one of other
            settings.

    Raises:
        ValueError: If the model needs images and the config names none.
        FittedStateError: If ``must_exist`` and the state does not fit.
    """

    priority = 'VERY_HIGH'

    def __init__(
        self, state: str | None = None, must_exist: bool = False
    ) -> None:
        self.state, self.must_exist = state, must_exist

    def before_test(self, runner: Runner) -> None:
        """Fit, or read what was fitted before."""
        model = getattr(runner.model, 'module', runner.model)
        if not isinstance(model, AnomalyModel) or model.fitted:
            return
        path = Path(self.state or Path(runner.work_dir, 'fitted.safetensors'))
        if self.must_exist:
            model.load_fitted(path)
            return
        config = runner.cfg.get('fit_dataloader')
        if config is None:
            raise ValueError(
                f'{type(model).__name__} learns from images, and the config '
                'has no `fit_dataloader` that names them'
            )
        loader = fit_loader(config.to_dict(), model)
        model.settings['fit_images'] = image_digest(loader.dataset)
        box: list[bytes | Exception | None] = [None]
        if is_main_process():
            try:
                self._fit_or_read(runner, model, loader, path)
                box[0] = model.fitted_bytes()
            except Exception as error:  # the others would wait for ever
                broadcast_object_list([error])
                raise
        broadcast_object_list(box)
        if isinstance(box[0], Exception):
            raise box[0]
        if not is_main_process() and box[0] is not None:
            model.load_fitted_bytes(box[0])

    def _fit_or_read(
        self, runner: Runner, model: AnomalyModel, loader, path: Path
    ) -> None:
        if path.is_file():
            try:
                model.load_fitted(path)
                runner.logger.info(f'fitted state read from {path}')
                return
            except FittedStateError as error:
                runner.logger.info(f'fitting anew: {error}')
        model.fit(Progress(loader))
        model.save_fitted(path)
        runner.logger.info(f'fitted state written to {path}')


class Progress:
    """A loader with a bar, for each time it is run through."""

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[dict]:
        yield from tqdm(self.loader, desc='fitting', unit='batch')


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


def image_digest(data_set: Dataset) -> str:
    """Tell sets of images apart by their paths."""
    inner: Any = data_set
    indices: Sequence[int]
    if isinstance(data_set, Subset):
        inner, indices = data_set.dataset, data_set.indices
    else:
        indices = range(len(inner))
    digest = hashlib.sha256()
    for i in indices:
        digest.update(inner.get_data_info(i)['img_path'].encode() + b'\n')
    return f'{len(indices)} images, {digest.hexdigest()[:12]}'
