"""Anomaly models on images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcvgssl.apis.inference.inferencer import Inferencer
from mmcvgssl.apis.inference.inputs import Inputs
from mmcvgssl.apis.inference.results import AnomalyResult
from mmcvgssl.apis.prediction import Prediction

if TYPE_CHECKING:
    from typing_extensions import Self

    from mmcvgssl.model_file import LoadedModel


class AnomalyInspector(Inferencer[AnomalyResult]):
    """Says which images are defective, and where.

    Args:
        model: Model file of an anomaly model, as ``mmcvgssl fit`` writes it,
            the model of :func:`load_model`, or an exported one, ``.onnx`` or
            ``.xml``, which predicts and no more.
        threshold: Threshold of scores that replaces the model's; higher ones
            are defective.
        device: See :class:`Inferencer`.
        show_progress: See :class:`Inferencer`.

    Raises:
        FileNotFoundError: See :class:`Inferencer`.
        ValueError: See :class:`Inferencer`.
        mmcvgssl.weights.WeightsError: See :class:`Inferencer`.

    Example:
        >>> inspector = AnomalyInspector('model.safetensors')
        >>> results = inspector('test_images', show_progress=False)
        >>> len(results), results[0].map.shape, results[0].draw().size
        (4, (32, 32), (32, 32))
        >>> results[0].verdict in ('good', 'defective')
        True
    """

    kind = 'anomaly'

    @classmethod
    def fit(
        cls,
        good_images: Inputs,
        method: str = 'patchcore',
        false_alarm_rate: float | str | None = None,
        options: dict[str, Any] | None = None,
        device: str | None = None,
        show_progress: bool = True,
    ) -> Self:
        """Fit a model to images, as mmcvgssl fit does, in seconds.

        Nothing is written; :meth:`save` writes the model file.

        Args:
            good_images: See :meth:`__call__`; good ones, or for ``'musc'`` a
                whole collection.
            method: ``'patchcore'``, ``'padim'`` (parts in one position),
                ``'mahalanobis-ad'``, ``'musc'`` or ``'map-ensemble'``; or a
                recipe of ``list_models('anomaly/*')``.
            false_alarm_rate: Wanted share of good images above the threshold;
                ``'none'``: no threshold; None: 0.05 where there are enough
                images, which are 95 or more for most methods.
            options: Settings of the recipe, such as ``{'input_size': 320}``.
            device: See :class:`Inferencer`.
            show_progress: Whether to show bars.

        Raises:
            FileNotFoundError: If there is no such file.
            TypeError: If something can be no image.
            UnreadableImageError: If an image cannot be read.
            ValueError: If there is no such method, it trains a network, there
                is no image, or there are too few for the rate.

        Example:
            >>> inspector = AnomalyInspector.fit(
            ...     'images/good',
            ...     false_alarm_rate=0.4,
            ...     options={'input_size': 64},
            ...     show_progress=False,
            ... )
            >>> result = inspector('test_images/crack/0.png')[0]
            >>> result.threshold == inspector.threshold
            True
        """
        from mmcvgssl.apis.fit_images import fit_images

        loaded = fit_images(
            *(good_images, method, false_alarm_rate, options),
            *(device, show_progress),
        )
        return cls(loaded, device=device, show_progress=show_progress)

    def update(
        self, more_images: Inputs, earlier_images: Inputs | None = None
    ) -> Self:
        """Learn from more good images, without starting over.

        PaDiM and MahalanobisAD become what a fit to all images gives.
        PatchCore does so as long as its memory holds all patches (its
        ``coreset_size`` is 20,000 in the shipped recipe: 78 images); later it
        chooses of its memory and the new patches, and patches that it had
        left out do not come back. Other methods are to be fitted anew.

        Where there is a threshold, one of each five images is held out for
        it, as in a fit. The inspector stays as it was if anything fails.

        Args:
            more_images: New good images.
            earlier_images: The images of before, of which those held out are
                scored again, so that threshold and calibration are those of
                a fit to all; without, their scores of before count.

        Returns:
            The inspector itself.

        Raises:
            FileNotFoundError: If there is no such file.
            FittedStateError: If the model file is of an earlier version.
            TypeError: If something can be no image.
            UnreadableImageError: If an image cannot be read.
            ValueError: If the method is another, an image was learned from
                before, all new ones are held out, or earlier ones are
                missing.

        Example:
            >>> inspector = AnomalyInspector.fit(
            ...     ['images/good/0.png', 'images/good/1.png'],
            ...     method='mahalanobis-ad',
            ...     false_alarm_rate='none',
            ...     options={'input_size': 64},
            ...     show_progress=False,
            ... )
            >>> more = ['images/good/2.png', 'images/good/3.png']
            >>> inspector.update(more).content.remarks
            []
        """
        from mmcvgssl.apis.update import update_content

        self._set(
            update_content(
                *(self.content, more_images, earlier_images),
                *(self.loaded.source, self.device, self.show_progress),
            )
        )
        return self

    def __init__(
        self,
        model: str | Path | LoadedModel,
        threshold: float | None = None,
        device: str | None = None,
        show_progress: bool = True,
    ) -> None:
        super().__init__(model, device, show_progress, threshold=threshold)

    @property
    def threshold(self) -> float | None:
        """Threshold of scores; None if there is none."""
        kind: Any = self.predictor.kind
        return kind.threshold

    def postprocess(
        self, prediction: Prediction, **common: Any
    ) -> AnomalyResult:
        """Return score, verdict and map."""
        row: Any = prediction
        return AnomalyResult(
            **common,
            score=row.score,
            threshold=self.threshold,
            verdict=row.verdict,
            anomaly_map=row.anomaly_map,
        )
