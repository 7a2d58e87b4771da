"""What a fitted model is measured on: calibration and thresholds."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from mmcvgssl.maps import good_map_threshold
from mmcvgssl.models.anomaly.calibration import Calibration, RawValues
from mmcvgssl.models.anomaly.fitting_images import FittingImages, paths_of
from mmcvgssl.models.anomaly.gathered import Columns
from mmcvgssl.models.anomaly.threshold_choice import HELD_OUT, earlier_note
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
    basis: dict[str, Tensor]
    # paths of the images that were measured, in the first process
    measured_on: list[str]

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
        self._measure_threshold(images)

    def _measure_threshold(
        self, images: FittingImages, more: bool = False
    ) -> None:
        """Choose the threshold, if one is wanted.

        Args:
            images: Held-out images.
            more: See :meth:`_choose_thresholds`.
        """
        if self.false_alarm_rate is not None:
            self._choose_thresholds(
                images,
                lambda inputs, samples, _: self.predict(inputs, samples),
                HELD_OUT,
                more=more,
            )

    def _choose_thresholds(
        self,
        images: FittingImages,
        predict: Callable[[Tensor, list, int], tuple[Tensor, Tensor]],
        method: str,
        note: str = '',
        more: bool = False,
    ) -> None:
        """Choose the map threshold and, if wanted, the score threshold.

        Args:
            images: Good ones.
            predict: Makes maps [N, h, w] and scores [N] of images, their data
                samples and the number of images before them.
            method: See :func:`describe_choice`.
            note: See :func:`describe_choice`.
            more: Whether the scores that are known count, too.
        """
        good = Columns()
        if more and 'scores' in self.basis:
            before = {
                key: self.basis[key].to(self.device)
                for key in ('scores', 'maxima')
            }
            count = len(before['scores'])
            good.add([''] * count, **before)
            note = earlier_note(count)

        def compute(inputs: Tensor, samples: list, before: int) -> tuple:
            maps, scores = predict(inputs, samples, before)
            return paths_of(samples), scores, maps.flatten(1).amax(1)

        def choose() -> dict[str, Tensor]:
            self.state['map_threshold'] = good_map_threshold(good['maxima'])
            if self.false_alarm_rate is not None:
                self.set_threshold(good['scores'], method, good.texts, note)
            if self.basis:
                self.basis['scores'] = good['scores'].cpu()
                self.basis['maxima'] = good['maxima'].cpu()
            self.measured_on = [path for path in good.texts if path]
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
        values, names = RawValues(), Columns()

        def take(made: tuple) -> None:
            names.add(made[0])
            values.add(*made[1])

        def settle() -> dict[str, Tensor]:
            self.measured_on = [path for path in names.texts if path]
            self.remark(calibration.set_from(values, self.rounding()))
            return calibration.state_dict()

        self._pass(
            images,
            'calibrating',
            lambda inputs, samples, _: (
                paths_of(samples),
                self._raw(inputs, samples),
            ),
            take,
            {'values': values, 'names': names},
            whole=True,
        )
        calibration.load_state_dict(
            tensors_of_first_process(settle, self.device)
        )
