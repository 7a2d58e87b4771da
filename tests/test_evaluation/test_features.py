"""Images of the few-shot protocols: order, colours, sizes."""

import cv2
import numpy as np
import pytest
import torch

import mmcvgssl  # noqa: F401
from mmcvgssl.evaluation.few_shot import features
from tests.data import write_broken, write_classes


@pytest.fixture
def config(tmp_path):
    write_classes(tmp_path, 3)
    return {
        'type': 'mmcvgssl.SurfaceImages',
        'data_root': str(tmp_path),
        'data_prefix': 'train',
        'with_label': True,
    }


def built(config, size):
    return features.build_labelled(config, features.input_steps(size))


@pytest.mark.parametrize('size', [(16, 16), (12, 20)])
def test_images_are_rgb_of_one_size_in_the_unit_range(config, size):
    data_set = built(config, size)
    order = np.array([5, 0, 3])
    images = features.load_images(data_set, order)
    assert images.shape == (3, 3, *size)
    for image, i in zip(images, order, strict=True):
        bgr = cv2.imread(features.paths_of(data_set)[i])
        bgr = cv2.resize(bgr, size[::-1], interpolation=cv2.INTER_LINEAR)
        expected = bgr[..., ::-1].transpose(2, 0, 1) / 255
        assert np.abs(image.numpy() - expected).max() < 1e-6


@pytest.mark.parametrize(('batch', 'workers'), [(4, 0), (64, 0), (4, 1)])
def test_features_come_in_the_order_of_the_data(config, batch, workers):
    data_set = built(config, (8, 8))
    rows = features.extract(
        lambda x: x.mean(dim=(2, 3)),
        data_set,
        torch.device('cpu'),
        batch,
        workers,
    )
    images = features.load_images(data_set, np.arange(9))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, images.mean(dim=(2, 3)), rtol=1e-5)
    assert features.labels_of(data_set).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_broken_files_leave_with_their_labels(config, tmp_path):
    write_broken(tmp_path / 'train' / 'dent')
    config |= {'verify': True, 'max_unreadable': 0.5}
    data_set = built(config, (8, 8))
    assert features.labels_of(data_set).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len(features.paths_of(data_set)) == 9
