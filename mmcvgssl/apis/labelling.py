"""Labelling images one after the other, with what is learned meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmcvgssl.apis.features import Extracts
from mmcvgssl.apis.fit_classes import (
    check_apart,
    fit_classes,
    learned_from,
    update_classes,
)
from mmcvgssl.apis.opinion import Opinion
from mmcvgssl.apis.remembered_features import RememberedFeatures
from mmcvgssl.apis.update import provenance_of_file, refuse_known
from mmcvgssl.evaluation.few_shot.learners import class_probabilities
from mmcvgssl.model_file import ModelFile
from mmcvgssl.model_file.classes import check_new, is_name
from mmcvgssl.predictions import ClassPrediction
from mmcvgssl.selection import select, uncertainty
from mmcvgssl.selection.methods import UNCERTAINTY

NEXT = 12  # images that are named to be labelled next


class Labelling:
    """Images, the labels that they got, and what is learned from these.

    What is learned is :class:`~mmcvgssl.apis.FewShotClassifier`: the labels
    are its fit, or its update where it goes on from a model file. Features of
    an image are computed once, so that learning anew takes no network.

    Args:
        extractor: Computes the features, with the network of ``content``.
        content: Content of a classifier's model file to go on from; None:
            all classes are new.
        source: The file, for messages.

    Raises:
        ModelFileError: If the file has nothing to go on from.
        ValueError: If it has learned from images without labels, too.

    Example:
        >>> from mmcvgssl.apis.features import FeatureExtractor
        >>> extractor = FeatureExtractor(
        ...     'package:efficientnet-lite0', size=64, show_progress=False
        ... )
        >>> labelling = Labelling(extractor)
        >>> paths = [f'images/good/{i}.png' for i in range(4)]
        >>> made = labelling.add([*paths, 'test_images/crack/0.png'])
        >>> [each.is_read for each in made], made[0].label
        ([True, True, True, True, True], None)
        >>> labelling.assign(paths[:1], 'good')
        >>> labelling.assign(['test_images/crack/0.png'], 'crack')
        >>> opinion = labelling.learn()
        >>> len(opinion.order), opinion.predictions[paths[0]].label
        (3, 'good')
        >>> labelling.content().classes
        ['good', 'crack']
    """

    def __init__(
        self,
        extractor: Extracts,
        content: ModelFile | None = None,
        source: str = 'the classifier',
    ) -> None:
        self._features = RememberedFeatures(extractor)
        self._base, self._source = content, source
        self._rows = np.zeros((0, 0), np.float32)
        self._known = np.zeros(0, np.int64)
        if content is not None:
            self._rows, self._known = learned_from(content, source)
        self.labels: dict[str, str] = {}
        self._names = [] if content is None else [*content.classes]

    @property
    def classes(self) -> list[str]:
        """Names of classes that have images, those of the file first."""
        own = [] if self._base is None else self._base.classes
        there = {*own, *self.labels.values()}
        return [name for name in self._names if name in there]

    @property
    def reading(self) -> dict:
        """How images are read, for :func:`read_image`."""
        return self._features.reading

    def add(self, paths: Sequence[str]) -> list[ClassPrediction]:
        """Take images.

        Returns:
            A prediction for each, as yet without a class, or with the reason
            why it cannot be read.
        """
        found = self._features(paths)
        return [
            ClassPrediction(path, found.errors.get(i), found.sizes.get(i))
            for i, path in enumerate(paths)
        ]

    def assign(self, paths: Sequence[str], name: str | None) -> None:
        """Give images a class, whatever label they had; None: no label.

        Raises:
            KeyError: If an image is not among those that could be read.
            ValueError: If no class can have the name, another class has it but
                for its spelling, the same image has another class, or the
                file has learned from it.
        """
        if name is not None and not is_name(name):
            raise ValueError(
                'expected the name of a class in letters that can be '
                f'printed, got {name!a:.80}: type another'
            )
        known = {*self._features.paths}
        for path in paths:
            if path not in known:
                raise KeyError(f'{path} is none of the images to label')
        given = {p: n for p, n in self.labels.items() if p not in paths}
        if name is not None:
            check_new([name], self.classes)
            given |= dict.fromkeys(paths, name)
            self._check(given, paths)
            if name not in self._names:
                self._names.append(name)
        self.labels = given

    def _check(self, labels: dict[str, str], new: Sequence[str]) -> None:
        """Refuse labels that nothing could be learned from."""
        names = [*dict.fromkeys(labels.values())]
        found = np.array([names.index(name) for name in labels.values()])
        check_apart([*labels], found, names)
        if self._base is not None:
            known = provenance_of_file(self._base, self._source)
            refuse_known(known, new, self._source)

    def forget(self, paths: Sequence[str]) -> None:
        """Let go of images and their labels."""
        self._features.forget(paths)
        for path in paths:
            self.labels.pop(path, None)

    def learn(self) -> Opinion:
        """Learn from the labels; say what that makes of all images."""
        paths = self._features.paths
        if not paths:
            return Opinion()
        found = self._features(paths)
        rows, labels = self._all(paths, found.rows)
        known = np.flatnonzero(labels >= 0)
        opinion, weights, method = Opinion(), None, 'kmeans'
        first = len(rows) - len(paths)
        if len({*labels[known].tolist()}) > 1:
            shares = class_probabilities(rows[known], labels[known], rows)
            weights, method = uncertainty(shares), UNCERTAINTY
            best = shares.argmax(axis=1)
            for i, path in enumerate(paths):
                share, label = shares[first + i], int(best[first + i])
                made = ClassPrediction.of(
                    path, share.tolist(), label, self.classes
                )
                made.size = found.sizes[i]
                opinion.predictions[path] = made
        free = np.flatnonzero(labels < 0)
        if len(free):
            opinion.chosen = min(NEXT, len(free))
            chosen = select(
                *(rows, opinion.chosen, method, 0, known.tolist(), weights)
            )
            worth = np.zeros(len(rows)) if weights is None else weights
            rest = [*set(free.tolist()).difference(chosen)]
            rest.sort(key=lambda i: (-worth[i], i))
            opinion.order = [paths[i - first] for i in [*chosen, *rest]]
        return opinion

    def content(self) -> ModelFile:
        """Return the model file of what was learned.

        Raises:
            ValueError: If there are fewer than two classes, or an image is
                in two of them, or was learned from before.
        """
        groups: dict[str, list[str]] = {name: [] for name in self.classes}
        for path, name in self.labels.items():
            groups[name].append(path)
        groups = {name: paths for name, paths in groups.items() if paths}
        options = {'extractor': self._features, 'show_progress': False}
        if self._base is None:
            return fit_classes(groups, **options).content  # type: ignore
        if not groups:
            return self._base
        base, source = self._base, self._source
        return update_classes(base, groups, source, **options).content  # type: ignore

    def _all(
        self, paths: list[str], rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return features and class indices, -1 for none, of all images."""
        names = {name: i for i, name in enumerate(self.classes)}
        given = map(self.labels.get, paths)
        own = [-1 if name is None else names[name] for name in given]
        if len(self._rows):
            rows = np.concatenate([self._rows, rows])
        return rows, np.concatenate([self._known, np.array(own, np.int64)])
