"""A file gives scikit-learn's probabilities, for every kind of network."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from sklearn.linear_model import LogisticRegression

from mmcvgssl.apis import load_config
from mmcvgssl.apis.few_shot import FewShot
from mmcvgssl.apis.few_shot_model import save_classifier
from mmcvgssl.evaluation.few_shot.features import input_steps, paths_of
from mmcvgssl.model_file import (
    ModelFile,
    classifier,
    load_model,
    prediction_steps,
)
from mmcvgssl.models import ProbeClassifier
from mmcvgssl.models.anomaly.fitted_state import FittedStateError
from mmcvgssl.models.teachers import TimmTeacher
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import WeightsError
from tests.data import CLASSES

PACKAGE = dict(
    type='mmcvgssl.TimmBackbone',
    model_name='tf_efficientnet_lite0',
    weights='package:efficientnet-lite0',
)


@pytest.fixture
def protocol(tiny_classes, tmp_path):
    """Make the evaluation of a network by a short name."""

    def make(kind: str, classes: int = 3, **options) -> FewShot:
        cfg = load_config(tiny_classes)
        if classes < 3:
            for part in ('train', 'test'):
                cfg.few_shot[part].ignore = list(CLASSES[classes:])
        checkpoint = kind
        if kind == 'file':
            checkpoint = str(tmp_path / 'student.pth')
            net = MODELS.build({**cfg.model.backbone, '_scope_': 'mmpretrain'})
            torch.save({'state_dict': net.state_dict()}, checkpoint)
        elif kind == 'teacher':
            file = tmp_path / 'teacher.pth'
            torch.manual_seed(0)
            made = TimmTeacher('test_efficientnet', allow_random=True)
            torch.save(made.tower.state_dict(), file)
            cfg.model.teachers[0].weights = str(file)
        elif kind == 'package':
            checkpoint = 'none'
            cfg.model.backbone = PACKAGE
        elif kind == 'levels':
            checkpoint = 'none'
            cfg.model.backbone = dict(PACKAGE, levels=[1, 3])
            cfg.few_shot.poolings = ['mean', 'std', 'max']
        torch.manual_seed(1)
        return FewShot(cfg, checkpoint, **options)

    return make


def normalize(rows):
    """Divide features by their length, rounded as the protocol does."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def predicted(path, images):
    """Return probabilities [N, C] and labels, as the file alone gives them."""
    init_default_scope('mmdet')  # whatever has run before
    loaded = load_model(path)
    steps = Compose(loaded.transforms)
    batch = pseudo_collate([steps({'img_path': i}) for i in images])
    samples = loaded.model.test_step(batch)
    return (
        np.array([s.pred_score.numpy() for s in samples]),
        [int(s.pred_label) for s in samples],
    )


@pytest.mark.parametrize(
    ('kind', 'classes', 'standardize'),
    [
        ('none', 3, False),
        ('file', 3, False),
        ('file', 2, False),
        ('file', 3, True),
        ('teacher', 3, False),
        ('teacher', 3, True),
        ('package', 3, True),
        ('levels', 3, True),
    ],
)
def test_probabilities_are_those_of_scikit_learn(
    protocol, tmp_path, kind, classes, standardize
):
    evaluation = protocol(kind, classes, standardize=standardize)
    path = tmp_path / 'model.safetensors'
    content = save_classifier(evaluation, path)

    train, test = evaluation.extract()
    model = LogisticRegression(C=100, max_iter=2000)
    model.fit(normalize(train), evaluation.labels)
    expected = model.predict_proba(normalize(test))
    found, labels = predicted(path, paths_of(evaluation.test))

    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert labels == model.predict(normalize(test)).tolist()
    assert content.classes == list(CLASSES[:classes])
    truth = evaluation.test_labels
    accuracy = 100 * model.score(normalize(test), truth)
    assert content.chosen['test_accuracy'] == pytest.approx(accuracy)
    assert content.chosen['images'] == len(train)
    assert content.chosen['draw'] is None
    assert [part.stored for part in content.weights] == [
        kind not in ('package', 'levels')
    ]


def test_a_draw_is_the_one_that_the_results_list(protocol, tmp_path):
    evaluation = protocol('file', seed=5)
    results = evaluation.run([2], 2, tmp_path / 'out')
    listed = results.data['shots']['2']['draws'][1]
    path = tmp_path / 'model.safetensors'
    content = save_classifier(evaluation, path, (2, 1))

    paths = paths_of(evaluation.train)
    rows = [paths.index(item) for item in listed]
    train, test = evaluation.extract()
    model = LogisticRegression(C=100, max_iter=2000)
    model.fit(normalize(train[rows]), evaluation.labels[rows])
    found, _ = predicted(path, paths_of(evaluation.test))

    np.testing.assert_allclose(
        found, model.predict_proba(normalize(test)), rtol=0, atol=1e-5
    )
    assert content.chosen['draw'] == {'shots': 2, 'run': 1, 'seed': 5}
    runs = results.data['shots']['2']['runs']
    assert content.chosen['test_accuracy'] == pytest.approx(runs[1])


@pytest.mark.parametrize(
    ('options', 'name', 'draw', 'said'),
    [
        ({'mode': 'linear'}, 'a.safetensors', None, '--mode probe'),
        ({}, 'a.pth', None, 'ends in .safetensors'),
        ({}, 'a.safetensors', (0, 0), '0 images of each class'),
        ({}, 'a.safetensors', (7, 0), 'has 6'),
        ({}, 'a.safetensors', (2, -1), 'counted from 0'),
    ],
)
def test_what_cannot_be_saved_is_said(
    protocol, tmp_path, options, name, draw, said
):
    with pytest.raises(ValueError, match=said):
        save_classifier(protocol('none', **options), tmp_path / name, draw)
    assert not (tmp_path / name).exists()


def test_a_class_without_images_is_no_class(protocol, tmp_path):
    evaluation = protocol('none')
    evaluation.train._metainfo['classes'] = (*CLASSES, 'other')
    with pytest.raises(
        ValueError, match='no training image is of class other'
    ):
        save_classifier(evaluation, tmp_path / 'a.safetensors')


def test_a_saved_file_says_what_it_is(protocol, tmp_path):
    content = save_classifier(protocol('file'), tmp_path / 'a.safetensors')
    said = content.describe()
    assert 'classifier model ProbeClassifier' in said
    assert f'3 classes: {", ".join(CLASSES)}' in said
    assert 'accuracy on' in said
    assert 'weights of student.pth: in this file' in said
    assert 'test_images' not in json.dumps(content.provenance)


@pytest.fixture(scope='module')
def sound():
    """Return the bytes of a file of a tiny network."""
    backbone = dict(
        type='mmpretrain.ResNet',
        depth=18,
        base_channels=4,
        stem_channels=4,
        num_stages=1,
        strides=(1,),
        dilations=(1,),
        out_indices=(0,),
    )
    config = dict(
        type='mmcvgssl.ProbeClassifier',
        num_classes=3,
        in_channels=4,
        backbone=backbone,
        mean=[1.0, 2.0, 3.0],
        std=[1.0, 2.0, 3.0],
    )
    model = MODELS.build(dict(config, init_backbone=False))
    steps = prediction_steps(input_steps((16, 16)))
    return classifier.to_file(model, config, steps, CLASSES).to_bytes()


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda c: c.classes.pop(), 'expected a name for each of 3'),
        (lambda c: c.classes.__setitem__(0, CLASSES[1]), 'that differ'),
        (lambda c: c.classes.__setitem__(0, '\n'), 'can be printed'),
        (lambda c: c.model.update(num_classes=4), 'a name for each of 4'),
        (lambda c: c.model.update(in_channels=1 << 15), 'fit Linear'),
        (lambda c: c.model.update(type='mmcvgssl.KeAD'), 'model.type'),
        (lambda c: c.model.update(type='mmpretrain.ImageClassifier'), 'type'),
        (lambda c: c.model.update(init_backbone=True), 'options of'),
        (lambda c: c.model.update(checkpoint=['x']), ''),
        (lambda c: c.model.update(mean=[1.0]), 'R, G and B'),
        (lambda c: c.model.update(std=[1.0, 0.0, 1.0]), 'above 0'),
        (lambda c: c.model.pop('backbone'), 'expected weights of'),
        (lambda c: c.model.update(teacher=dict(c.model['backbone'])), 'type'),
        (lambda c: c.tensors.pop('head.bias'), 'misses bias'),
        (lambda c: c.tensors.update(x=torch.ones(1)), "alone, got 'x'"),
        (lambda c: c.weights.clear(), 'expected weights of backbone'),
        (
            lambda c: next(
                v for k, v in c.tensors.items() if k.startswith('weights.')
            ).add_(1),
            'damaged',
        ),
    ],
)
def test_a_file_that_others_have_changed_is_refused(
    sound, tmp_path, change, said
):
    path = tmp_path / 'a.safetensors'
    content = ModelFile.from_bytes(sound, 'a sound file')
    change(content)
    path.write_bytes(content.to_bytes())
    if not said:
        load_model(path)  # where weights come from is not looked at
        return
    with pytest.raises(WeightsError, match=said):
        load_model(path)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({}, 'give one of them'),
        ({'backbone': torch.nn.Identity(), 'teacher': 1}, 'one of them'),
        ({'backbone': torch.nn.Identity(), 'num_classes': 1}, 'num_classes'),
    ],
)
def test_options_that_contradict_each_other(options, said):
    with pytest.raises(ValueError, match=said):
        ProbeClassifier(**{'num_classes': 2, 'in_channels': 3, **options})


def test_it_is_not_trained_and_its_network_stays_in_evaluation():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Dropout())
    model = ProbeClassifier(2, 4, net, init_backbone=False)
    model.train()
    assert model.training
    assert not net[1].training
    with pytest.raises(ValueError, match=r'few-shot --save'):
        model(torch.zeros(1, 3, 4, 4), mode='loss')
    with pytest.raises(ValueError, match='coefficients of shape'):
        model.set_head(torch.zeros(3, 4), torch.zeros(3))


def test_channels_are_in_the_order_of_the_weights(tmp_path):
    # red images and blue ones, told apart by their red channel
    net = torch.nn.Conv2d(3, 2, 1)
    with torch.no_grad():
        net.weight.copy_(torch.eye(3)[:2, :, None, None])
        net.bias.fill_(1.0)
    model = ProbeClassifier(2, 2, net, init_backbone=False)
    model.set_head([[-1.0, 0.0], [1.0, 0.0]], [0.0, 0.0])
    bgr = np.zeros((2, 4, 4, 3), np.uint8)
    bgr[0, ..., 2], bgr[1, ..., 0] = 255, 255
    inputs = [torch.from_numpy(i.transpose(2, 0, 1).copy()) for i in bgr]
    samples = model.eval().test_step({'inputs': inputs})
    # the features are (2, 0) and (0, 0), and red ones have length 1
    expected = torch.tensor([[-1.0, 1.0], [0.0, 0.0]]).softmax(1)
    found = torch.stack([s.pred_score for s in samples])
    torch.testing.assert_close(found, expected)


@pytest.fixture
def standardized(protocol, tmp_path):
    path = tmp_path / 'model.safetensors'
    return save_classifier(protocol('file', standardize=True), path)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda t: t.pop('scale.mean'), 'scale.mean'),
        (lambda t: t.update({'scale.std': t['scale.std'][1:]}), 'scale.std'),
        (lambda t: t['scale.std'].zero_(), 'expected `scale.std` above 0'),
        (lambda t: t['scale.mean'].fill_(torch.nan), 'scale.mean'),
        (lambda t: t.update({'scale.more': torch.ones(1)}), 'scale.more'),
    ],
)
def test_impossible_scales_are_refused(standardized, change, said):
    tensors = {k: v.clone() for k, v in standardized.tensors.items()}
    change(tensors)
    content = replace(standardized, tensors=tensors)
    with pytest.raises((FittedStateError, WeightsError), match=said):
        classifier.from_file(content, 'model.safetensors')


def test_scales_that_are_not_asked_for_are_refused(standardized):
    model = {k: v for k, v in standardized.model.items() if k != 'standardize'}
    content = replace(standardized, model=model)
    with pytest.raises(FittedStateError, match='expected no tensors `scale'):
        classifier.from_file(content, 'model.safetensors')
