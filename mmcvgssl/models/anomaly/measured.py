"""What a fitted model is measured on: calibration and thresholds."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from mmcvgssl.maps import good_map_threshold
from mmcvgssl.models.anomaly.calibration import Calibration, RawValues
from mmcvgssl.models.anomaly.fitting_images import FittingImages, paths_of
from mmcvgssl.models.anomaly.gathered import Columns
from mmcvgssl.models.anomaly.threshold_choice import HELD_OUT
from mmcvgssl.models.anomaly.thresholded import Thresholded
from mmcvgssl.processes import tensors_of_first_process


class Measured(Thresholded):
    """Calibrates a model and chooses its thresholds, on images.

    Images in tiles are measured whole: by their joined maps.
    """

    needs_fit: bool
    fits_on_collection: bool
    calibration: Calibration | None
    predict: Callable[..., tuple[Tensor, Tensor]]
    _raw: Callable[..., tuple[Tensor, Tensor]]
    _pass: Callable[..., None]
    remark: Callable[[str], None]
    rounding: Callable[[], tuple[float, float]]

    def _holds_out(self) -> bool:
        """Whether measuring needs images that fitting has not seen."""
        measured = self.calibration is not None or self.false_alarm_rate
        return bool(
            measured and self.needs_fit and not self.fits_on_collection
        )

    def _measure(self, images: FittingImages, apart: bool) -> None:
        """Calibrate and choose the threshold.

        Args:
            images: Held-out images, or the fitting images if there are none.
            apart: Whether they were given apart from those fitted to.
        """
        if self.calibration is not None:
            self._calibrate(self.calibration, images)
        if self.false_alarm_rate is not None:
            self._choose_thresholds(
                images,
                lambda inputs, samples, _: self.predict(inputs, samples),
                HELD_OUT,
            )

    def _choose_thresholds(
        self,
        images: FittingImages,
        predict: Callable[[Tensor, list, int], tuple[Tensor, Tensor]],
        method: str,
        note: str = '',
    ) -> None:
        """Choose the map threshold and, if wanted, the score threshold.

        Args:
            images: Good ones.
            predict: Makes maps [N, h, w] and scores [N] of images, their data
                samples and the number of images before them.
            method: See :func:`describe_choice`.
            note: See :func:`describe_choice`.
        """
        good = Columns()

        def compute(inputs: Tensor, samples: list, before: int) -> tuple:
            maps, scores = predict(inputs, samples, before)
            return paths_of(samples), scores, maps.flatten(1).amax(1)

        def choose() -> dict[str, Tensor]:
            self.state['map_threshold'] = good_map_threshold(good['maxima'])
            if self.false_alarm_rate is not None:
                self.set_threshold(good['scores'], method, good.texts, note)
            return self.state

        self._pass(
            images,
            'choosing the threshold of',
            compute,
            lambda made: good.add(made[0], scores=made[1], maxima=made[2]),
            {'good': good},
            whole=True,
        )
        self.state = tensors_of_first_process(choose, self.device)

    def _calibrate(
        self, calibration: Calibration, images: FittingImages
    ) -> None:
        values = RawValues()

        def settle() -> dict[str, Tensor]:
            self.remark(calibration.set_from(values, self.rounding()))
            return calibration.state_dict()

        self._pass(
            images,
            'calibrating',
            lambda inputs, samples, _: self._raw(inputs, samples),
            lambda made: values.add(*made),
            {'values': values},
            whole=True,
        )
        calibration.load_state_dict(
            tensors_of_first_process(settle, self.device)
        )
