"""The way of many images through reading, a model and drawing."""

import weakref
from contextlib import nullcontext

import numpy as np
import pytest

from mmcvgssl.apis.prediction.picture_job import LoadedImage
from mmcvgssl.apis.prediction.prediction_run import PredictionRun
from mmcvgssl.apis.prediction.workers import Workers
from mmcvgssl.predictions import Prediction


class Job:
    """Reads images of nothing, and counts those that are in memory."""

    def __init__(self) -> None:
        self.known: list[weakref.ref] = []
        self.most = 0

    def load(self, key, source, keep, known) -> LoadedImage:
        image = LoadedImage(np.zeros((3, 2, 2)), size=(2, 2))
        self.known.append(weakref.ref(image))
        alive = sum(reference() is not None for reference in self.known)
        self.most = max(self.most, alive)
        return image


class Kind:
    """Says nothing about images."""

    def predict(self, paths, images) -> list[Prediction]:
        return [Prediction(path=path) for path in paths]

    def threads(self, most: int):
        return nullcontext()


@pytest.mark.parametrize('size', [1, 3])
def test_images_of_one_batch_are_in_memory(size):
    job, paths = Job(), [f'{i}.png' for i in range(7)]
    with Workers(job, 0) as workers:
        run = PredictionRun(Kind(), workers, None, False, {})
        made = [
            one.path for batch in run.batches(paths, size) for one in batch
        ]
    assert made == paths
    assert job.most == size
