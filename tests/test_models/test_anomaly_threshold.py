"""Thresholds of map generators: from good images, and what they find."""

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmcvgssl.evaluation.anomaly import AnomalyMetric, operating_point
from mmcvgssl.models.anomaly import FittedStateError, MuSc
from mmcvgssl.models.anomaly.blocks import is_held_out
from tests.test_models.test_anomaly import (
    MODELS_TO_TRY,
    LocalTeacher,
    batches,
    images_of,
)

GOOD = pytest.mark.parametrize('kind', sorted({*MODELS_TO_TRY} - {'mutual'}))
CALIBRATION = pytest.mark.parametrize('calibration', [None, {}])


@GOOD
@CALIBRATION
def test_the_threshold_is_that_of_images_held_out(kind, calibration, tmp_path):
    data = batches(40)
    build = MODELS_TO_TRY[kind]
    model = build(false_alarm_rate=0.2, calibration=calibration)
    assert not model.fitted
    model.fit(data)
    content = images_of(data)[[is_held_out(i, 5) for i in range(40)]]
    maps, scores = model.predict(content, [DataSample() for _ in content])
    wanted = operating_point(scores.double().numpy(), 0.2)
    point = model.operating_point
    # other batches round otherwise
    assert point.threshold == pytest.approx(wanted.threshold, rel=1e-4)
    assert point.interval == wanted.interval
    assert point.n == wanted.n == 8
    highest = np.quantile(maps.flatten(1).amax(1).numpy(), 0.95)
    assert model.map_threshold == pytest.approx(highest, rel=1e-4)
    samples = model(content, mode='predict')
    assert samples[0].threshold == point.threshold
    model.save_fitted(tmp_path / 'state.safetensors')
    again = build(false_alarm_rate=0.2, calibration=calibration)
    again.load_fitted(tmp_path / 'state.safetensors')
    assert again.operating_point == point
    assert again.map_threshold == model.map_threshold
    other = build(false_alarm_rate=0.3, calibration=calibration)
    with pytest.raises(FittedStateError, match='false_alarm_rate'):
        other.load_fitted(tmp_path / 'state.safetensors')


def test_without_a_rate_all_images_are_learned_from():
    model = MODELS_TO_TRY['gaussian']()
    model.fit(batches(8))
    assert model.threshold is None
    assert model.map_threshold is None
    # what a calibration puts in the middle
    assert MODELS_TO_TRY['gaussian'](calibration={}).map_threshold == 0.5
    assert 'threshold' not in model(images_of(batches(2)), mode='predict')[0]
    with pytest.raises(ValueError, match='needs a false_alarm_rate'):
        model.set_threshold(torch.ones(9))


def test_too_few_good_images_and_none_are_refused():
    model = MODELS_TO_TRY['gaussian'](false_alarm_rate=0.05)
    with pytest.raises(ValueError, match='at least 19 good images, got 4'):
        model.fit(batches(20))
    with pytest.raises(ValueError, match='nothing is known to be good'):
        MuSc(LocalTeacher(), false_alarm_rate=0.05)


@pytest.mark.parametrize('categories', [('',), ('a', 'b')])
def test_the_metric_counts_what_is_above(categories):
    random = np.random.RandomState(0)
    metric = AnomalyMetric(pixel=False)
    found: dict[tuple, list] = {}
    samples = []
    for _ in range(60):
        label, score = int(random.rand() < 0.5), float(random.rand())
        name = categories[random.randint(len(categories))]
        samples.append(
            dict(
                anomaly_score=score,
                gt_label=label,
                threshold=0.6,
                category=name,
            )
        )
        found.setdefault((name, label), []).append(score > 0.6)
    metric.process(None, samples)
    results = metric.evaluate(60)
    for label, key in enumerate(('false_alarms', 'detected')):
        rates = [np.mean(found[name, label]) for name in categories]
        assert results[key] == pytest.approx(np.mean(rates))
        if categories != ('',):
            for name, rate in zip(categories, rates, strict=True):
                assert results[f'{name}/{key}'] == pytest.approx(rate)


def test_rates_without_defects_are_undefined():
    metric = AnomalyMetric(pixel=False)
    plain = dict(gt_label=0, threshold=0.5)
    metric.process(None, [plain | dict(anomaly_score=s) for s in (0.1, 0.9)])
    results = metric.evaluate(2)
    assert results['false_alarms'] == 0.5
    assert np.isnan(results['detected'])
