"""The base of visualisers that lay several pictures out."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import MLflowVisBackend, Visualizer

from mmcvgssl.utils import atomic_write


class PanelVisualizer(Visualizer):
    """Shows a sample as pictures side by side.

    Takes the options of mmengine's ``Visualizer``.
    """

    @master_only
    def add_datasample(
        self,
        name: str,
        image: Any,
        data_sample: Any = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        step: int = 0,
    ) -> None:
        """Draw a sample, and show it, write it to a file or to all backends.

        Args:
            name: Name of the picture.
            image: What the sample is of, RGB.
            data_sample: What is true of it, and what a model says.
            draw_gt: Draw the truth.
            draw_pred: Draw what the model says.
            show: Show it in a window.
            wait_time: Seconds that the window stays; 0: until a key is
                pressed.
            out_file: PNG file to write instead.
            step: Iteration that backends know it by.
        """
        drawn = self.draw(image, data_sample, draw_gt, draw_pred)
        self.set_image(drawn)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        elif out_file is not None:
            data = cv2.imencode('.png', drawn[..., ::-1])[1].tobytes()
            atomic_write(out_file, data)
        else:
            self.add_image(name, drawn, step)

    @master_only
    def add_image(self, name: str, image: np.ndarray, step: int = 0) -> None:
        """Give a picture, RGB uint8 [H, W, 3], to all backends.

        MLflow, unlike the others, is told the format by the name.
        """
        for backend in self._vis_backends.values():
            is_mlflow = isinstance(backend, MLflowVisBackend)
            own = f'{name}_{step}.png' if is_mlflow else name
            backend.add_image(own, image, step)

    def draw(
        self, image: Any, data_sample: Any, draw_gt: bool, draw_pred: bool
    ) -> np.ndarray:
        """Return a picture of a sample, RGB uint8 [H, W, 3]."""
        raise NotImplementedError(
            f'{type(self).__name__} must implement draw()'
        )
