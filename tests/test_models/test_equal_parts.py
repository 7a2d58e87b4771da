"""An image has the same map, bit by bit, in whatever batch it comes."""

import pytest
import timm
import torch
from mmpretrain.structures import DataSample
from torch import nn

from mmcvgssl import processes
from mmcvgssl.models import TimmTeacher
from mmcvgssl.models.anomaly import (
    MahalanobisAD,
    MapEnsemble,
    MuSc,
    OneClassDetector,
    PaDiM,
    PatchCore,
)
from mmcvgssl.models.anomaly.equal_parts import in_equal_parts
from tests.clips import STRIP, all_clips, make_kead

SIDE, COUNT = 32, 11


def teacher() -> TimmTeacher:
    """Return a network whose rounding depends on batch and threads."""
    torch.manual_seed(0)
    tower = timm.create_model('resnet18')
    return TimmTeacher(tower=tower, levels=(1, 2), input_size=SIDE)


def one_class() -> OneClassDetector:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 64, 3, 2), nn.Conv2d(64, 16, 3, 2))
    return OneClassDetector(backbone, false_alarm_rate=0.2)


MODELS = {
    'PatchCore': lambda: PatchCore(teacher(), 60, local_scale=3, top=0.1),
    'MahalanobisAD': lambda: MahalanobisAD(teacher(), image_score='sum'),
    'PaDiM': lambda: PaDiM(teacher(), channels=10),
    'MuSc': lambda: MuSc(teacher(), references=6),
    'MapEnsemble': lambda: MapEnsemble(
        [PatchCore(teacher(), 60), MahalanobisAD(teacher())]
    ),
    'KeAD': lambda: make_kead(all_clips()['plain'], k=2, knowledge=STRIP),
    'OneClassDetector': one_class,
    'MapEnsemble of MuSc': lambda: MapEnsemble(
        [MuSc(teacher(), references=6), make_kead(all_clips()['plain'])]
    ),
}


def raw(count: int = COUNT) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    shape = (count, 3, SIDE, SIDE)
    return list(torch.randint(256, shape, generator=random, dtype=torch.uint8))


def samples(images: list[torch.Tensor]) -> list[DataSample]:
    return [DataSample(metainfo=dict(img_path='a.png')) for _ in images]


def predicted(model, images, size, back=False) -> dict[int, tuple]:
    """Predict in batches; return map and score by an image's number."""
    order = list(range(len(images)))[:: -1 if back else 1]
    found = {}
    for first in range(0, len(order), size):
        part = order[first : first + size]
        inputs = [images[i] for i in part]
        data = dict(inputs=inputs, data_samples=samples(inputs))
        for i, sample in zip(part, model.test_step(data), strict=True):
            found[i] = sample.anomaly_map, sample.anomaly_score
    return found


@pytest.mark.parametrize('kind', MODELS)
def test_maps_and_scores_do_not_depend_on_the_batch(kind):
    model, images = MODELS[kind](), raw()
    model.fit([dict(inputs=images, data_samples=samples(images))])
    expected = predicted(model, images, 1)
    for size, back in ((3, False), (5, True), (COUNT, False), (COUNT, True)):
        found = predicted(model, images, size, back)
        for i, (values, score) in found.items():
            assert torch.equal(values, expected[i][0]), (size, back, i)
            assert torch.equal(score, expected[i][1]), (size, back, i)


def test_a_threshold_is_that_of_the_very_score_it_was_chosen_by():
    """The score of the image that the threshold is is not above it."""
    images = raw(12)
    model = one_class()
    held = [dict(inputs=images, data_samples=samples(images))]
    model.fit(held, held)
    scores = [float(s) for _, s in predicted(model, images, 5).values()]
    assert model.threshold in scores


@pytest.mark.parametrize('cores', [1, 2, 6])
def test_threads_are_half_of_the_cores(cores, monkeypatch):
    monkeypatch.setattr(processes, 'available_cores', lambda: cores)
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(4)

    def note(images, owners):
        seen.append((torch.get_num_threads(), len(images)))
        return (images,)

    try:
        in_equal_parts(torch.rand(3, 1, 2, 2), samples([1, 2, 3]), note)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
    assert seen == [(max(cores // 2, 1), 1)] * 3


def test_an_accelerator_gets_the_batch_as_it_is():
    class Elsewhere:
        """Images that say they are on an accelerator."""

        device = torch.device('cuda')

    images = Elsewhere()
    made = in_equal_parts(images, [3, 4], lambda *given: given)
    assert made == (images, [3, 4])
