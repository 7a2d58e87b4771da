"""Few-shot evaluation of a backbone, a random one or the teacher itself."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from mmcvgssl.apis.device import choose_device
from mmcvgssl.apis.few_shot_network import build_network, extract_sets
from mmcvgssl.apis.selection.draws import (
    EQUAL,
    check_draw,
    draw_labelled,
)
from mmcvgssl.apis.unlabelled_images import unlabelled_images
from mmcvgssl.datasets import SurfaceImages
from mmcvgssl.evaluation.few_shot import (
    FewShotResults,
    draw_seed,
    train_classifier,
)
from mmcvgssl.evaluation.few_shot import features as data
from mmcvgssl.evaluation.few_shot.learners import (
    accuracy,
    balanced_accuracy,
    check_schedule,
    fit_probe,
    linear_layer,
)
from mmcvgssl.evaluation.few_shot.propagation import SETTINGS
from mmcvgssl.evaluation.few_shot.sets import check_sets
from mmcvgssl.locks import locked
from mmcvgssl.models.classifiers import Standardized
from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.progress import progress_bar
from mmcvgssl.provenance import (
    RECORD,
    Provenance,
    of_config,
    of_dataset,
    of_file,
    of_versions,
    settle,
)
from mmcvgssl.runner.image_reading import (
    learned_range,
    list_paths,
    reading_of,
    settle_images,
)
from mmcvgssl.selection.methods import compact
from mmcvgssl.utils import atomic_write, check_least

PROPAGATION = 'propagation'
UNLABELLED = 'unlabelled_images'  # in the provenance
MODES = ('finetune', 'linear', 'probe', PROPAGATION)


class FewShot:
    """Few-shot evaluation of one config and one set of weights.

    Args:
        cfg: A pretraining config with a ``few_shot`` section.
        checkpoint: A file, ``'none'`` (random weights) or ``'teacher'``.
        mode: ``'finetune'`` (all weights), ``'linear'`` (last layer),
            ``'probe'`` (logistic regression on L2-normalised features) or
            ``'propagation'`` (the probe, on all training images: those that
            are not drawn count as unlabelled, see
            :func:`~mmcvgssl.evaluation.few_shot.propagation.propagate_labels`).
        seed: Seed of the draws and of the classifiers; see :func:`draw_seed`.
        size: Pixels; by default ``few_shot.view_size`` of the config, or the
            teacher's own size.
        report_best: Also report the best epoch on the test set, as some
            papers do; it is optimistic.
        workers: Processes that read images; 0: this one does.
        standardize: Take all levels that the network gives, each feature
            standardised over the training images, which needs no labels; see
            :class:`~mmcvgssl.models.classifiers.Standardized`.
        draw: Which training images get a label, see :func:`draw_labelled`.
        unlabelled: Further images that labels are propagated to, all of
            these classes, see :func:`unlabelled_images`; features are
            standardised over them, too.

    Raises:
        ValueError: If options are out of range or contradict each other, or
            data is lacking.
        FileNotFoundError: If the checkpoint does not exist.
        mmcvgssl.weights.KeyMismatchError: If it is of another
            architecture.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str,
        mode: str = 'probe',
        seed: int = 0,
        size: int | None = None,
        report_best: bool = False,
        workers: int = 0,
        standardize: bool = False,
        draw: str = EQUAL,
        unlabelled: str | Path | None = None,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f'mode must be one of {MODES}, got {mode!r}')
        if standardize and mode == 'finetune':
            raise ValueError(
                'features of a network that is trained cannot be '
                'standardised before: use mode probe, linear or propagation'
            )
        if unlabelled is not None and mode != PROPAGATION:
            raise ValueError(
                f'images without labels are for mode {PROPAGATION}, got mode '
                f'{mode}'
            )
        check_least(size=(size, 1), workers=(workers, 0))
        if cfg.get('few_shot') is None:
            raise ValueError(
                f'{cfg.filename} has no `few_shot` section that names the '
                'labelled images; see configs/_base_/loaders/multi_crop.py'
            )
        self.cfg, self.checkpoint, self.mode = cfg, checkpoint, mode
        self.seed, self.report_best = seed, report_best
        self.workers, self.draw = workers, draw
        for part in ('train', 'test'):
            if not cfg.few_shot.get(part):
                raise ValueError(
                    f'{cfg.filename}: few_shot.{part} names no images; see '
                    'configs/_base_/loaders/multi_crop.py'
                )
        self.schedule = check_schedule(cfg.few_shot.get('schedule') or {})
        self.device = choose_device()
        network = build_network(cfg, checkpoint, seed, mode == 'finetune')
        self.encoder = data.as_encoder(network, self.device)
        self.standardized: Standardized | None = None
        if standardize:
            self.standardized = Standardized(self.encoder).to(self.device)
        side, resize = size or cfg.few_shot.view_size, 'bilinear'
        self.size: tuple[int, int] = (side, side)
        if isinstance(self.encoder, FrozenTeacher):
            self.size = (side, side) if size else self.encoder.input_size
            resize = self.encoder.interpolation
        settle_images(
            cfg,
            testing=True,
            paths=list_paths(cfg, cfg.few_shot.train),
            learned=learned_range(checkpoint),
        )
        self.steps = data.input_steps(self.size, resize, reading_of(cfg))
        self.train, self.test = (
            data.build_labelled(cfg.few_shot[part], self.steps)
            for part in ('train', 'test')
        )
        self.labels = data.labels_of(self.train)
        self.test_labels = data.labels_of(self.test)
        check_sets(self.train, self.test)
        self.unlabelled: SurfaceImages | None = None
        if unlabelled is not None:
            self.unlabelled = unlabelled_images(
                unlabelled, self.train, self.test, self.steps
            )
        self._features: list[np.ndarray] = []

    def run(
        self, shots: Sequence[int], runs: int, out: Path
    ) -> FewShotResults:
        """Do the runs that are not in ``out/few_shot.json`` yet.

        Runs of other images, lists, weights or settings are moved to the
        folder ``earlier`` and done anew.

        Args:
            shots: Numbers of images a class.
            runs: Draws for each of them.
            out: Folder of ``few_shot.json``, ``few_shot.md`` and the plot.

        Raises:
            mmcvgssl.locks.FolderInUseError: If another run writes there.
        """
        check_least(runs=(runs, 1))
        for k in shots:  # raises before work starts
            check_draw(self.draw, k, self.labels, self.train.CLASSES)
        with locked(out):
            return self._run(shots, runs, out)

    def _run(
        self, shots: Sequence[int], runs: int, out: Path
    ) -> FewShotResults:
        ours = self.provenance(Provenance.read(out / RECORD))
        settle(ours, out, ['few_shot.*'], f'the runs in {out}')
        results = FewShotResults(out / 'few_shot.json', self._settings())
        paths = data.paths_of(self.train)
        todo = [(k, r) for k in shots for r in range(runs)]
        missing = any(not results.has(k, r) for k, r in todo)
        if missing and self.mode != 'finetune':
            self.extract()  # it has a bar of its own
        with progress_bar(todo, desc=self.mode, unit='draw') as bar:
            for k, r in bar:
                if results.has(k, r):
                    continue
                seed = draw_seed(self.seed, r)
                drawn = self.drawn(k, seed)
                accuracies, balanced = self._learn(drawn, seed)
                results.add(
                    k,
                    accuracies[-1],
                    [paths[i] for i in drawn],
                    max(accuracies) if self.report_best else None,
                    balanced,
                )
                bar.set_postfix_str(f'{k}-shot {accuracies[-1]:.1f} %')
        atomic_write(out / 'few_shot.md', results.table().encode())
        results.plot(out / 'few_shot.png')
        return results

    def drawn(self, shots: int, seed: int) -> np.ndarray:
        """Return indices of the training images that get a label."""
        return draw_labelled(
            *(self.draw, shots, seed, self.labels),
            lambda: self._compact,
            self.train.CLASSES,
        )

    @cached_property
    def _compact(self) -> np.ndarray:
        """Features of the training images to choose by."""
        return compact(self.extract()[0])

    def _probe(self, drawn: np.ndarray) -> tuple[list[float], float]:
        """Return accuracy and balanced accuracy of a probe."""
        train, test = self.extract()
        others = self.others(drawn) if self.mode == PROPAGATION else None
        learned = fit_probe(train[drawn], self.labels[drawn], others)
        own = test, self.test_labels
        return [accuracy(learned, *own)], balanced_accuracy(learned, *own)

    def _learn(
        self, drawn: np.ndarray, seed: int
    ) -> tuple[list[float], float | None]:
        """Return accuracies, and the balanced one if it is known."""
        labels = self.labels[drawn]
        if self.mode == 'finetune':
            return self._finetune(drawn, labels, seed), None
        if not self._is_trained():
            return self._probe(drawn)
        train, test = self.extract()
        layer = linear_layer(train.shape[1], self._n_classes(), seed)
        rows, truth = torch.from_numpy(test), self.test_labels

        def evaluate(model: nn.Module) -> float:
            with torch.inference_mode():
                predicted = model(rows).argmax(dim=1).numpy()
            return float(100 * (predicted == truth).mean())

        accuracies = train_classifier(
            layer,
            torch.from_numpy(train[drawn]),
            torch.from_numpy(labels),
            evaluate,
            self.schedule,
            seed,
            every_epoch=self.report_best,
        )
        return accuracies, None

    def _finetune(
        self, drawn: np.ndarray, labels: np.ndarray, seed: int
    ) -> list[float]:
        torch.manual_seed(seed)
        encoder = deepcopy(self.encoder)
        images = data.load_images(self.train, drawn).to(self.device)
        encoder.eval()
        with torch.no_grad():
            width = encoder(images[:1]).shape[1]
        layer = linear_layer(width, self._n_classes(), seed).to(self.device)

        def evaluate(model: nn.Module) -> float:
            logits = data.extract(
                model, self.test, self.device, workers=self.workers
            )
            return float(100 * (logits.argmax(1) == self.test_labels).mean())

        return train_classifier(
            nn.Sequential(encoder, layer),
            images,
            torch.from_numpy(labels).to(self.device),
            evaluate,
            self.schedule,
            seed,
            every_epoch=self.report_best,
        )

    def extract(self) -> tuple[np.ndarray, np.ndarray]:
        """Return features [n, D] of the training and the test images."""
        if not self._features:
            self._features = extract_sets(
                self.standardized or self.encoder,
                *(self.train, self.test, self.unlabelled),
                self.device,
                self.workers,
            )
        return self._features[0], self._features[1]

    def others(self, drawn: np.ndarray) -> np.ndarray:
        """Return features [m, D] of the images that labels spread to.

        Args:
            drawn: Indices of the training images that have a label.
        """
        train, _ = self.extract()
        return np.concatenate(
            [np.delete(train, drawn, axis=0), *self._features[2:]]
        )

    def _is_trained(self) -> bool:
        return self.mode not in ('probe', PROPAGATION)

    def _n_classes(self) -> int:
        return int(self.labels.max()) + 1

    def provenance(self, known: Provenance | None = None) -> Provenance:
        """Return what the runs depend on.

        Args:
            known: States of earlier runs; what has not changed since is not
                read.
        """
        part = 'teachers' if self.checkpoint == 'teacher' else 'backbone'
        model = self.cfg.model[part]
        values = {
            'mode': self.mode,
            'seed': self.seed,
            'size': list(self.size),
            'transforms': of_config(self.steps),
            'checkpoint': of_config(self.checkpoint, key='checkpoint'),
            'report_best': self.report_best,
            'schedule': self.schedule if self._is_trained() else None,
            part: of_config(model[0] if part == 'teachers' else model),
            'data_preprocessor': of_config(self.cfg.data_preprocessor),
            'classes': list(self.train.CLASSES),
        }
        if self.standardized is not None:
            values['standardize'] = True
            values['poolings'] = list(self.encoder.poolings)
        if self.mode == PROPAGATION:
            values['propagation'] = SETTINGS
        if self.draw != EQUAL:
            values['draw'] = self.draw
        found = (
            Provenance(values)
            | of_versions(self.cfg.model, also=('sklearn',))
            | of_dataset(self.train, 'train_images', known)
            | of_dataset(self.test, 'test_images', known)
        )
        if self.unlabelled is not None:
            found |= of_dataset(self.unlabelled, UNLABELLED, known)
        return found

    def _settings(self) -> dict[str, Any]:
        """Return the settings for the file of results."""
        name, content = self.checkpoint, ''
        if Path(name).is_file():
            name, content = Path(name).name, of_file(name)
        settings = {
            'mode': self.mode,
            'config': Path(self.cfg.filename).name,
            'checkpoint': name,
            'checkpoint_content': content,
            'seed': self.seed,
            'size': list(self.size),
            'classes': list(self.train.CLASSES),
            'n_train': len(self.train),
            'n_test': len(self.test),
            'lists': {
                'train': data.listed(self.train),
                'test': data.listed(self.test),
            },
        }
        if self.cfg.get('depth_range'):
            settings['depth_range'] = list(self.cfg.depth_range)
        if self.standardized is not None:
            settings['standardize'] = True
        if self.unlabelled is not None:
            settings['n_unlabelled'] = len(self.unlabelled)
        if self.draw != EQUAL:
            settings['draw'] = self.draw
        if self._is_trained():
            settings['schedule'] = self.schedule
        return settings
