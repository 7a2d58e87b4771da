"""Classifiers learned from a few images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mmcvgssl.apis.inference.defect_classifier import (
    DefectClassifier,
    Labelled,
)
from mmcvgssl.apis.inference.inputs import Inputs

if TYPE_CHECKING:
    from typing_extensions import Self


class FewShotClassifier(DefectClassifier):
    """A classifier that is learned from a few images of each class.

    Args:
        model: See :class:`DefectClassifier`.
        device: See :class:`Inferencer`.
        show_progress: See :class:`Inferencer`.

    Raises:
        FileNotFoundError: See :class:`Inferencer`.
        ValueError: See :class:`Inferencer`.
        mmcvgssl.weights.WeightsError: See :class:`Inferencer`.

    Example:
        >>> classifier = FewShotClassifier.fit(
        ...     {
        ...         'crack': 'test_images/crack',
        ...         'good': ['images/good/0.png', 'images/good/1.png'],
        ...     },
        ...     size=64,
        ...     show_progress=False,
        ... )
        >>> classifier('test_images/crack/0.png')[0].label
        'crack'
        >>> classifier.update({'good': 'images/good/2.png'}).classes
        ('crack', 'good')
    """

    @classmethod
    def fit(
        cls,
        images: Labelled,
        backbone: str | Path = 'package:efficientnet-lite0',
        config: str | Path | None = None,
        size: int | None = None,
        device: str | None = None,
        show_progress: bool = True,
        unlabelled: Inputs | None = None,
        standardize: bool = False,
    ) -> Self:
        """Learn from images, as ``mmcvgssl few-shot --save`` does.

        The classifier is a logistic regression on L2-normalised features of
        a frozen network. Nothing is written; :meth:`save` writes the model
        file.

        Args:
            images: Images by class, as ``{'scratch': [...], 'pit': [...]}``;
                for an image see :meth:`__call__`. Or a folder with one folder
                a class.
            backbone: ``'package:NAME'``, the weights of an installed package;
                a checkpoint of a training; or a model file of a classifier or
                of an anomaly model with a teacher.
            config: Config of the training, for a checkpoint that holds none.
            size: Side of the images, pixels, by default 224; a model file has
                its own.
            device: See :class:`Inferencer`.
            show_progress: Whether to show bars.
            unlabelled: Images without labels, all of these classes, such as
                a folder or a list. Labels are propagated to them by likeness,
                which helps most where there are one to four images a class;
                :meth:`update` is not possible then.
            standardize: Take the inner levels of a packaged network or a
                checkpoint, too, each feature standardised over all images
                that are given, which needs no labels and helps most together
                with ``unlabelled``.

        Raises:
            FileNotFoundError: If there is no such file.
            TypeError: If something can be no image.
            UnreadableImageError: If an image cannot be read.
            ValueError: If there are fewer than two classes, one has no image,
                an image is in two of them, or no classifier can have the
                backbone.
        """
        from mmcvgssl.apis.fit_classes import fit_classes

        loaded = fit_classes(
            *(images, backbone, config, size, device, show_progress),
            unlabelled,
            standardize=standardize,
        )
        return cls(loaded, device=device, show_progress=show_progress)
