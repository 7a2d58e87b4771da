"""False alarms of a detector are counted on good images alone."""

import numpy as np
import pytest
import torch

from mmcvgssl.evaluation import FalseAlarms, false_alarms


def sample(scores, truth, key='instances'):
    true = {'labels': np.zeros(truth)} if key == 'gt_instances' else [{}]
    return {
        'pred_instances': {'scores': torch.tensor(scores)},
        key: true if key == 'gt_instances' else true * truth,
    }


def test_shares_and_means_are_of_images():
    scores = [np.array(s) for s in ([0.9, 0.4, 0.05], [], [0.5], [0.2])]
    found = false_alarms(scores, (0.1, 0.5))
    assert found == {
        'images_0.1': 0.75,
        'boxes_0.1': 1.0,
        'images_0.5': 0.5,
        'boxes_0.5': 0.5,
    }


@pytest.mark.parametrize('key', ['instances', 'gt_instances'])
def test_images_with_boxes_do_not_count(key):
    metric = FalseAlarms(thresholds=(0.3,))
    samples = [
        sample([0.9, 0.8], 0, key),
        sample([0.9] * 5, 2, key),
        sample([], 0, key),
    ]
    metric.process(None, samples)
    assert metric.evaluate(3) == {
        'false_alarms/good_images': 2,
        'false_alarms/images_0.3': 0.5,
        'false_alarms/boxes_0.3': 1.0,
    }
    metric.process(None, samples[1:2])
    assert metric.evaluate(1) == {}


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match=r'scores in \[0, 1\], got \[30\]'):
        FalseAlarms(thresholds=(30,))
    with pytest.raises(ValueError, match='add "instances" to meta_keys'):
        FalseAlarms().process(None, [{'pred_instances': {}}])
