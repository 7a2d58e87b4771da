"""A model with a threshold on its image scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmcvgssl.evaluation.operating_point import (
    OperatingPoint,
    operating_point,
)
from mmcvgssl.models.anomaly.threshold_choice import (
    describe_choice,
    from_tensor,
    to_tensor,
)
from mmcvgssl.predictions import GIVEN


class Thresholded:
    """Stores the threshold in ``state``, how it was chosen in ``chosen``.

    Above the threshold an image is called defective. It is a value of image
    scores, not of maps, whose level is the map threshold.
    """

    state: dict[str, Tensor]
    chosen: dict[str, Any]
    false_alarm_rate: float | None

    @property
    def device(self) -> torch.device:
        """Where the state lies."""
        raise NotImplementedError(f'{type(self).__name__} needs a device')

    @property
    def operating_point(self) -> OperatingPoint | None:
        """The threshold and the false alarms to expect, if it has one."""
        saved = self.state.get('operating_point')
        return None if saved is None else from_tensor(saved)

    @property
    def threshold(self) -> float | None:
        """Above it an image is called defective."""
        point = self.operating_point
        return None if point is None else point.threshold

    def set_threshold(
        self,
        good_scores: Tensor,
        method: str = GIVEN,
        paths: Sequence[str] = (),
        note: str = '',
    ) -> None:
        """Choose the threshold anew, and note in ``chosen`` how.

        Images of known defects have no part in it: they may show what share
        is detected, and never where the threshold lies.

        Args:
            good_scores: [n], of good images that nothing has learned from.
            method: See :func:`describe_choice`.
            paths: Paths of these images, if known.
            note: See :func:`describe_choice`.

        Raises:
            ValueError: If there are too few for the rate, or no rate.
        """
        wanted = self.false_alarm_rate
        if wanted is None:
            raise ValueError('a threshold needs a false_alarm_rate')
        scores = good_scores.detach().cpu().double().numpy()
        point = operating_point(scores, wanted)
        self.state['operating_point'] = to_tensor(point).to(self.device)
        self.chosen = describe_choice(point, wanted, method, paths, note)
