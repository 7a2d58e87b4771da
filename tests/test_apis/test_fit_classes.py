"""Classifiers learned and updated from Python."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from mmcvgssl.apis import (
    DefectClassifier,
    FeatureExtractor,
    FewShotClassifier,
    extract_features,
    load_config,
)
from mmcvgssl.apis.few_shot import FewShot
from mmcvgssl.apis.few_shot_model import save_classifier
from mmcvgssl.apis.fit_classes import fit_classes
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.evaluation.few_shot.learners import fit_probe
from mmcvgssl.model_file import ModelFile, ModelFileError
from mmcvgssl.models.anomaly import FittedStateError
from mmcvgssl.models.teachers import TimmTeacher
from mmcvgssl.registry import MODELS
from tests.data import CLASSES, picture, write_classes


@pytest.fixture(scope='module')
def classes(tmp_path_factory):
    """Write six pictures of each of three classes to learn from."""
    return write_classes(tmp_path_factory.mktemp('classes'), 6)


def images(classes: Path, first: int = 0, last: int = 6) -> dict:
    return {
        name: sorted((classes / 'train' / name).iterdir())[first:last]
        for name in CLASSES
    }


def fit(given, backbone='package:efficientnet-lite0', size=64, **kwargs):
    options = dict(size=size, show_progress=False, **kwargs)
    return FewShotClassifier.fit(given, backbone, **options)


def probabilities(classifier, folder: Path) -> np.ndarray:
    found = classifier(folder / 'test', show_progress=False)
    return np.array([list(result.probabilities.values()) for result in found])


def test_it_is_the_probe_of_the_few_shot_protocol(classes, tmp_path):
    given = images(classes)
    model = fit(given)
    assert model.classes == CLASSES
    found = model(classes / 'test', show_progress=False)
    names = [Path(result.path).parent.name for result in found]
    assert [result.label for result in found] == names

    paths = [path for group in given.values() for path in group]
    rows = extract_features(paths, size=64, show_progress=False)
    assert (rows.dtype, rows.shape) == (np.float32, (18, 1280))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    layer = LogisticRegression(C=100, max_iter=2000)
    layer.fit(unit, np.repeat(range(3), 6))
    tested = extract_features(classes / 'test', size=64, show_progress=False)
    tested /= np.linalg.norm(tested, axis=1, keepdims=True)
    expected = layer.predict_proba(tested)
    assert probabilities(model, classes) == pytest.approx(expected, abs=1e-4)

    file = tmp_path / 'model.safetensors'
    model.save(file)
    again = DefectClassifier(file)
    assert np.array_equal(
        probabilities(again, classes), probabilities(model, classes)
    )
    arrays = {
        name: (cv2.imread(str(path))[..., ::-1] for path in group)
        for name, group in given.items()
    }
    by_folder = fit(classes / 'train')
    for other in (fit(arrays), by_folder):
        for key, value in model.content.tensors.items():
            assert torch.equal(other.content.tensors[key], value), key


def test_it_is_what_the_tool_saves(tiny_classes, tmp_path):
    cfg = load_config(tiny_classes)
    torch.manual_seed(7)
    backbone = MODELS.build({**cfg.model.backbone, '_scope_': 'mmpretrain'})
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    checkpoint = tmp_path / 'student.pth'
    torch.save({'state_dict': state}, checkpoint)
    protocol = FewShot(cfg, str(checkpoint))
    train = Path(protocol.train.img_prefix or protocol.train.data_root)
    by_tool = save_classifier(protocol, tmp_path / 'tool.safetensors')
    model = fit(
        train,
        checkpoint,
        cfg.few_shot.view_size,
        config=tiny_classes,
    )
    assert model.content.classes == by_tool.classes
    assert model.content.images == by_tool.images
    for key, value in by_tool.tensors.items():
        found = model.content.tensors[key]
        torch.testing.assert_close(found, value, rtol=1e-5, atol=1e-6)

    # the file of one classifier is the backbone of another
    other = fit(
        train,
        tmp_path / 'tool.safetensors',
        None,
    )
    for key, value in model.content.tensors.items():
        found = other.content.tensors[key]
        torch.testing.assert_close(found, value, rtol=1e-4, atol=1e-5)


def test_an_update_equals_a_fit_to_all(classes, tmp_path):
    given = images(classes)
    first = {name: group[:3] for name, group in given.items()}
    more = {name: group[3:] for name, group in given.items()}
    whole = fit({name: [*first[name], *more[name]] for name in given})
    model = fit(first)
    model.save(tmp_path / 'model.safetensors')
    for one in (model, DefectClassifier(tmp_path / 'model.safetensors')):
        assert one.update(more) is one
        assert probabilities(one, classes) == pytest.approx(
            probabilities(whole, classes), abs=1e-5
        )
        assert one.content.chosen['images'] == 18
    tables = model.content.provenance['files']
    assert len(tables['train_images']) == 9
    assert len(tables['update_1.new_images']) == 9
    model.save(tmp_path / 'updated.safetensors')
    again = DefectClassifier(tmp_path / 'updated.safetensors')
    assert np.array_equal(
        probabilities(again, classes), probabilities(model, classes)
    )


def test_a_class_is_added(classes):
    given = images(classes)
    third = CLASSES[2]
    model = fit({name: given[name] for name in CLASSES[:2]})
    model.update({third: given[third]})
    assert model.classes == CLASSES
    whole = fit(given)
    assert probabilities(model, classes) == pytest.approx(
        probabilities(whole, classes), abs=1e-5
    )


def test_bad_labels_are_refused(classes, tmp_path):
    given = images(classes)
    dent, rust = given['dent'], given['rust']
    copy = tmp_path / 'copy.png'
    shutil.copy(dent[0], copy)
    broken = tmp_path / 'broken.png'
    broken.write_bytes(b'')
    (tmp_path / 'empty').mkdir()
    cases = [
        ({}, 'two classes or more apart, got none'),
        ({'dent': dent}, r"two classes or more apart, got 1 \('dent'\)"),
        ({'dent': dent, 'rust': []}, 'expected images as rust, got none'),
        ({'dent': dent, 'rust': [copy]}, "'rust' .*'dent' are the same image"),
        ({'dent': dent, 'rust': [broken]}, r'broken\.png'),
        ({'dent': dent, 'rust': ['nowhere.png']}, r'nowhere\.png'),
        ({'dent': dent, 'rust': [np.full((4, 4), np.nan)]}, 'float64'),
        (dent, "expected images by class, as {'scratch'"),
        (tmp_path / 'none', 'found no folder'),
        (tmp_path / 'empty', 'got none'),
    ]
    for images_of, words in cases:
        with pytest.raises((OSError, TypeError, ValueError), match=words):
            fit(images_of)
    for backbone, words in (
        ('package:resnet', 'expected features of package:efficientnet-lite0'),
        (tmp_path / 'x.pth', 'found no file'),
    ):
        with pytest.raises((FileNotFoundError, ValueError), match=words):
            fit({'dent': dent, 'rust': rust}, backbone)

    model = fit({'dent': dent[:3], 'rust': rust[:3]})
    before = model.content
    for more, words in (
        ({'dent': dent[2:4]}, r'has learned from 1 \('),
        ({'rust': [dent[1]]}, r'has learned from 1 \('),
        ({'dent': [dent[4]], 'rust': [dent[4]]}, 'the same image'),
        ({'dent': [broken]}, r'broken\.png'),
        ({' ': [dent[4]]}, 'names of classes'),
    ):
        with pytest.raises((OSError, ValueError), match=words):
            model.update(more)
    assert model.content is before


def test_files_without_features_or_with_others(classes, tmp_path):
    given = images(classes, 0, 2)
    model = fit(given)
    content = model.content
    file = tmp_path / 'model.safetensors'
    tensors = dict(content.tensors)
    content.tensors = {
        k: v for k, v in tensors.items() if not k.startswith('update.')
    }
    model.save(file)
    with pytest.raises(ModelFileError, match='learn anew from all images'):
        DefectClassifier(file).update(images(classes, 2, 3))
    for key, value in (
        ('update.labels', torch.zeros(6, dtype=torch.int64)),
        ('update.labels', torch.zeros(5, dtype=torch.int64)),
        ('update.features', torch.zeros(6, 3)),
        ('update.other', torch.zeros(1)),
    ):
        wrong = ModelFile(**{**vars(content), 'tensors': {**tensors}})
        wrong.tensors[key] = value
        wrong.write(file)
        with pytest.raises(FittedStateError, match=r'update\.'):
            DefectClassifier(file)


def test_features_of_images_of_any_kind(classes, tmp_path):
    paths = images(classes, 0, 1)['dent']
    image = cv2.imread(str(paths[0]))[..., ::-1]
    expected = FeatureExtractor(
        'package:efficientnet-lite0', size=64, show_progress=False
    )(paths).rows
    for given in (
        paths[0],
        paths,
        image,
        [image],
        picture(0, 40),
        iter(paths),
    ):
        found = extract_features(given, size=64, show_progress=False)
        assert found.shape == (1, 1280)
        assert found.dtype == np.float32
    for given in (image, paths):
        found = extract_features(given, size=64, show_progress=False)
        assert np.array_equal(found, expected)
    broken = tmp_path / 'broken.png'
    broken.write_bytes(b'no image')
    with pytest.raises(UnreadableImageError, match=r'1 image \(.*broken'):
        extract_features([*paths, broken], size=64, show_progress=False)
    with pytest.raises(ValueError, match='got none'):
        extract_features([], size=64)


def test_images_without_labels_help_and_are_not_kept(classes, tmp_path):
    few, free = images(classes, 0, 1), classes / 'test'
    model = fit(few, unlabelled=free)
    chosen = model.content.chosen
    assert (chosen['images'], chosen['unlabelled']) == (3, 18)
    alone = fit(few)
    assert alone.content.chosen['unlabelled'] == 0
    assert not np.array_equal(
        probabilities(model, classes), probabilities(alone, classes)
    )
    file = tmp_path / 'model.safetensors'
    model.save(file)
    again = FewShotClassifier(file, show_progress=False)
    with pytest.raises(ValueError, match='from 18 images without labels'):
        again.update(images(classes, 1, 2))


def test_levels_are_standardised_over_all_images(classes, tmp_path):
    few, free = images(classes, 0, 1), classes / 'test'
    model = fit(few, unlabelled=free, standardize=True)
    paths = [path for group in few.values() for path in group]
    paths += sorted(free.rglob('*.png'))
    teacher = TimmTeacher(
        'tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
        input_size=64,
        levels=(3, 4),
    )
    batch = []
    for path in paths:
        image = cv2.imread(str(path))[..., ::-1]
        image = cv2.resize(image, (64, 64), interpolation=cv2.INTER_CUBIC)
        batch.append(torch.from_numpy(image.copy()).permute(2, 0, 1))
    with torch.no_grad():
        parts = teacher.encode(torch.stack(batch).float() / 255)
    made = []
    for part in parts:
        rows = part.double().numpy()
        std = rows.std(0)
        rows = (rows - rows.mean(0)) / np.where(std > 0, std, 1)
        made.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    rows = np.concatenate(made, 1) / len(made) ** 0.5
    learned = fit_probe(rows[:3], np.arange(3), rows[3:])
    expected = learned.predict_proba(rows[3:])
    assert probabilities(model, classes) == pytest.approx(expected, abs=2e-3)
    # and from its file
    model.save(tmp_path / 'model.safetensors')
    again = FewShotClassifier(
        tmp_path / 'model.safetensors', show_progress=False
    )
    assert np.array_equal(
        probabilities(again, classes), probabilities(model, classes)
    )


def test_levels_of_a_training_are_pooled_as_its_config_says(
    tiny_classes, tmp_path
):
    cfg = load_config(
        tiny_classes, {'few_shot.poolings': ['mean', 'max'], 'view_size': 32}
    )
    config = tmp_path / 'poolings.py'
    cfg.dump(config)
    backbone = MODELS.build({**cfg.model.backbone, '_scope_': 'mmpretrain'})
    file = tmp_path / 'student.pth'
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    torch.save({'state_dict': state}, file)
    protocol = FewShot(cfg, str(file), standardize=True)
    saved = save_classifier(protocol, tmp_path / 'saved.safetensors')
    given = Path(cfg.data_root) / 'train'
    model = fit(given, file, 32, config=config, standardize=True)
    content = model.content
    assert content.model['standardize'] is True
    assert content.model['poolings'] == ['mean', 'max']
    for name in ('head.weight', 'scale.mean', 'scale.std'):
        assert torch.allclose(
            content.tensors[name].double(),
            saved.tensors[name].double(),
            atol=1e-4,
        )
    with pytest.raises(ValueError, match='standardize is for the features'):
        fit(given, tmp_path / 'saved.safetensors', None, standardize=True)
    # its statistics stay
    again = fit(
        images(given.parent, 0, 2), tmp_path / 'saved.safetensors', None
    )
    assert torch.equal(
        again.content.tensors['scale.mean'], saved.tensors['scale.mean']
    )


def test_labelled_images_are_none_without_a_label(classes, tmp_path):
    few = images(classes, 0, 1)
    copy = tmp_path / 'copy.png'
    copy.write_bytes(next(iter(few.values()))[0].read_bytes())
    rest = sorted((classes / 'test').rglob('*.png'))
    labelled = [path for group in few.values() for path in group]
    model = fit(few, unlabelled=[*labelled, copy, *rest])
    assert model.content.chosen['unlabelled'] == len(rest)
    alone = fit(few, unlabelled=rest)
    for key, value in alone.content.tensors.items():
        assert torch.equal(model.content.tensors[key], value)
    with pytest.raises(ValueError, match='all images given without a label'):
        fit(few, unlabelled=[*labelled, copy])


def test_features_that_are_given_are_not_standardised(classes):
    extractor = FeatureExtractor('package:efficientnet-lite0', size=64)
    with pytest.raises(ValueError, match='leave one out'):
        fit_classes(
            images(classes, 0, 1), extractor=extractor, standardize=True
        )


def test_names_that_are_spelled_otherwise_are_no_new_classes(classes):
    given = images(classes, 0, 2)
    model = fit({name: group[:1] for name, group in given.items()})
    more = {'Dent ': given['dent'][1:]}
    with pytest.raises(ValueError, match=r"'Dent ' and the class 'dent'"):
        model.update(more)
    with pytest.raises(ValueError, match=r"'New' and the class 'new'"):
        model.update({'new': more['Dent '], 'New': given['rust'][1:]})
    assert model.classes == CLASSES


def test_images_beside_the_class_folders_are_named(classes, tmp_path, capfd):
    root = tmp_path / 'classes'
    for name, group in images(classes, 0, 1).items():
        (root / name).mkdir(parents=True)
        shutil.copy(group[0], root / name)
    shutil.copy(group[0], root / 'loose.PNG')
    assert fit(root).content.chosen['images'] == 3
    said = ''.join(capfd.readouterr())
    assert '1 image (loose.PNG) in no class folder' in said


def test_an_update_keeps_how_features_are_standardised(classes, capfd):
    given = images(classes, 0, 2)
    model = fit(
        {name: group[:1] for name, group in given.items()}, standardize=True
    )
    scale = model.content.tensors['scale.mean']
    model.update({name: group[1:] for name, group in given.items()})
    assert torch.equal(model.content.tensors['scale.mean'], scale)
    said = ''.join(capfd.readouterr())
    assert 'stay standardised over the 3 images of its fit' in said
