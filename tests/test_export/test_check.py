"""An exported file must say what the model says."""

import logging

import numpy as np
import pytest

from mmcvgssl.export.check import ExportCheckError, compare
from mmcvgssl.predictions import (
    AnomalyPrediction,
    BoxPrediction,
    ClassPrediction,
)


def anomaly(score, threshold=0.5, values=None, readable=True):
    if not readable:
        return AnomalyPrediction('a.png', error='cut off')
    values = np.array([[score, 0.0]]) if values is None else values
    made = AnomalyPrediction.of('a.png', score, threshold, values)
    made.size = (4, 4)
    return made


def classified(*probabilities):
    index = int(np.argmax(probabilities))
    made = ClassPrediction.of('a.png', [*probabilities], index, ['dent', 'ok'])
    made.size = (4, 4)
    return made


def boxes(*found):
    listed = [
        {'label': label, 'score': score, 'box': box}
        for label, score, box in found
    ]
    score = max((box['score'] for box in listed), default=None)
    made = BoxPrediction('a.png', count=len(listed), score=score, boxes=listed)
    made.size = (100, 200)
    return made


A = ('dent', 0.9, [0.0, 0.0, 50.0, 50.0])
B = ('dent', 0.8999, [100.0, 0.0, 150.0, 50.0])


@pytest.mark.parametrize(
    ('expected', 'found', 'error'),
    [
        ([anomaly(2.0)], [anomaly(2.001)], None),
        ([anomaly(2.0)], [anomaly(2.01)], 'scores .* by 0.005 .* 0.001'),
        # a tiny difference that flips the verdict
        ([anomaly(0.5)], [anomaly(0.5000001)], 'good .*, the .* defective'),
        ([anomaly(2.0)], [anomaly(float('nan'))], 'defective .*, the .* good'),
        (
            [anomaly(2.0, None)],
            [anomaly(float('nan'), None)],
            'scores .* by nan',
        ),
        (
            [anomaly(2.0, values=np.ones((2, 2)))],
            [anomaly(2.0, values=np.full((2, 2), 1.01))],
            'maps .* by 0.01',
        ),
        ([anomaly(0, None)], [anomaly(0, None)], None),
        ([anomaly(1, readable=False)], [anomaly(1)], 'not readable'),
        (
            [anomaly(1, readable=False)],
            [anomaly(1, readable=False)],
            'none of them can be read',
        ),
        # the order of two alike may differ
        ([boxes(A, B)], [boxes(B, A)], None),
        ([boxes(A, B)], [boxes(A)], 'says 2 dent .* file 1 dent'),
        ([boxes(A)], [boxes(('scratch', *A[1:]))], 'file 1 scratch'),
        ([boxes()], [boxes(A)], 'says no box'),
        ([boxes()], [boxes()], 'none has one'),
        ([boxes(A)], [boxes(('dent', 0.89, A[2]))], 'scores .* by 0.01'),
        (
            [boxes(A)],
            [boxes(('dent', 0.9, [0.0, 0.0, 50.0, 52.0]))],
            'boxes .* by 0.01',
        ),
        ([classified(0.4, 0.6)], [classified(0.4005, 0.5995)], None),
        ([classified(0.4, 0.6)], [classified(0.39, 0.61)], 'probabilities'),
        (
            [classified(0.49, 0.51)],
            [classified(0.51, 0.49)],
            'says ok .* dent',
        ),
    ],
)
def test_differences_and_verdicts(expected, found, error):
    if error is None:
        report = compare(expected, found, 1e-3)
        assert report['images'] == 1
        assert max(report['differences'].values()) < 1e-3
        return
    with pytest.raises(ExportCheckError, match=error):
        compare(expected, found, 1e-3)


def test_verdicts_are_counted():
    images = [anomaly(0.2), anomaly(0.3), anomaly(0.9)]
    assert compare(images, images, 0.1)['verdicts'] == {
        'good': 2,
        'defective': 1,
    }


def test_images_that_cannot_be_read_are_named_and_counted(caplog, monkeypatch):
    log = logging.getLogger('mmcvgssl')
    monkeypatch.setattr('mmcvgssl.export.check.current_logger', lambda: log)
    images = [anomaly(v / 20) for v in range(9)]
    broken = anomaly(1, readable=False)
    assert compare(images, images, 0.1)['unreadable'] == 0
    with caplog.at_level('WARNING'):
        report = compare([*images, broken], [*images, broken], 0.1)
    assert (report['images'], report['unreadable']) == (9, 1)
    assert '1 image (a.png) of the 10 cannot be read' in caplog.text
    images = [*images[1:], broken, broken]
    error = (
        r'2 images \(.*\) of the 10 cannot be read, more than the share of 0.1'
    )
    with pytest.raises(ExportCheckError, match=error):
        compare(images, images, 0.1)


def test_a_share_of_other_verdicts_is_allowed_if_it_is_asked_for():
    expected = [anomaly(v) for v in (0.2, 0.499, 0.7, 0.9)]
    found = [anomaly(v) for v in (0.2, 0.501, 0.7, 0.9)]
    report = compare(expected, found, 0.1, flips=0.25)
    assert (report['flips'], report['images']) == (1, 4)
    with pytest.raises(ExportCheckError, match='for 1 of 4 images, more than'):
        compare(expected, found, 0.1, flips=0.2)
    # what cannot be read is no matter of precision
    with pytest.raises(
        ExportCheckError, match=r'defective, .* not readable \(cut off\)'
    ):
        compare(
            [*expected, anomaly(1)],
            [*found, anomaly(1, readable=False)],
            0.1,
            flips=0.9,
        )
