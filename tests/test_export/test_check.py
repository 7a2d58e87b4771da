"""An exported file must say what the model says."""

import numpy as np
import pytest

from mmcvgssl.export.check import ExportCheckError, compare
from mmcvgssl.predictions import AnomalyPrediction, ClassPrediction


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
