"""Levels of a network, standardised for one collection."""

import numpy as np
import pytest
import torch
from torch import nn

from mmcvgssl.models.classifiers import Embedder, Standardized
from mmcvgssl.models.teachers import TimmTeacher


class Levels(nn.Module):
    """Two maps, of 3 and 5 channels."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 5, 3)

    def forward(self, images):
        first = self.first(images)
        return first, self.second(first)


def embedder():
    torch.manual_seed(0)
    return Embedder(Levels(), [127.5] * 3, [127.5] * 3)


def teacher():
    torch.manual_seed(0)
    return TimmTeacher(
        'test_efficientnet',
        levels=(2, 3),
        input_size=32,
        allow_random=True,
    )


def by_hand(encoder, images, fitted_on):
    levels = []
    for rows, known in zip(
        encoder.encode(images), encoder.encode(fitted_on), strict=True
    ):
        rows, known = (x.detach().double().numpy() for x in (rows, known))
        std = known.std(0)
        rows = (rows - known.mean(0)) / np.where(std > 0, std, 1)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        levels.append(rows / np.sqrt(len(encoder.encode(images))))
    return np.concatenate(levels, 1)


@pytest.mark.parametrize('make', [embedder, teacher])
def test_it_is_what_numpy_gives(make):
    encoder = make()
    network = Standardized(encoder).eval()
    images, others = torch.rand(9, 3, 40, 40), torch.rand(4, 3, 40, 40)
    network.fit(network.join(images).detach())
    found = network(others).detach().numpy()
    expected = by_hand(encoder, others, images)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert sum(network.widths) == found.shape[1]


def test_widths_leave_the_network_as_it_was():
    encoder = Embedder(nn.BatchNorm2d(3), [0] * 3, [1] * 3).train()
    assert [*Standardized(encoder).widths] == [3]
    assert encoder.training
    assert encoder.backbone.num_batches_tracked == 0


def test_constant_features_stay_zero():
    network = Standardized(embedder())
    rows = torch.rand(6, 8)
    rows[:, 2] = 0.7
    network.fit(rows)
    scaled = network.scale(rows)
    assert torch.isfinite(scaled).all()
    assert not scaled[:, 2].abs().max() > 1e-6


@pytest.mark.parametrize('shape', [(1, 8), (0, 8), (4, 7), (8,)])
def test_too_few_rows_are_refused(shape):
    with pytest.raises(ValueError, match=r'two images or more, \[n, 8\]'):
        Standardized(embedder()).fit(torch.zeros(shape))
