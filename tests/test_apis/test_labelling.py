"""Labels given one after the other, and what is learned from them."""

import shutil

import numpy as np
import pytest

from mmcvgssl.apis import DefectClassifier, FeatureExtractor, FewShotClassifier
from mmcvgssl.apis.labelling import NEXT, Labelling
from mmcvgssl.apis.remembered_features import RememberedFeatures
from mmcvgssl.model_file import ModelFile, load_model
from tests.data import CLASSES, picture, write_classes


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Write eight pictures of each class; return paths by class."""
    root = write_classes(tmp_path_factory.mktemp('classes'), 8) / 'train'
    return {
        name: [str(path) for path in sorted((root / name).iterdir())]
        for name in CLASSES
    }


@pytest.fixture(scope='module')
def extractor():
    return FeatureExtractor(
        'package:efficientnet-lite0', size=64, workers=0, show_progress=False
    )


@pytest.fixture(scope='module')
def base(images, tmp_path_factory):
    """Write a classifier of two classes, of an image each."""
    file = tmp_path_factory.mktemp('base') / 'base.safetensors'
    given = {name: images[name][:1] for name in CLASSES[:2]}
    FewShotClassifier.fit(given, size=64, show_progress=False).save(file)
    return file


def every(images):
    return [path for paths in images.values() for path in paths]


def shares(opinion, paths):
    return np.array(
        [[*opinion.predictions[p].probabilities.values()] for p in paths]
    )


def of_file(content, path, paths):
    content.write(path)
    found = DefectClassifier(path, show_progress=False)(paths)
    return np.array([[*each.probabilities.values()] for each in found])


def test_labels_from_nothing_are_a_fit(images, extractor, tmp_path):
    labelling, paths = Labelling(extractor), every(images)
    assert all(made.is_read for made in labelling.add(paths))
    opinion = labelling.learn()
    assert opinion.predictions == {}
    assert sorted(opinion.order) == sorted(paths)
    assert opinion.chosen == NEXT
    labelling.assign(images['rust'][:1], 'rust')
    assert labelling.learn().predictions == {}
    with pytest.raises(ValueError, match='two classes or more'):
        labelling.content()
    for name in CLASSES:
        labelling.assign(images[name][:2], name)
    opinion = labelling.learn()
    assert labelling.classes == ['rust', 'dent', 'scratch']
    assert {opinion.predictions[p].label for p in images['dent']} == {'dent'}
    assert len(opinion.order) == len(paths) - 6
    file = of_file(labelling.content(), tmp_path / 'a.safetensors', paths)
    assert file == pytest.approx(shares(opinion, paths), abs=1e-5)


def test_labels_beside_a_file_are_its_update(images, base, tmp_path):
    loaded = load_model(base)
    extractor = FeatureExtractor(loaded, workers=0, show_progress=False)
    labelling = Labelling(extractor, loaded.content, 'base')
    paths = [p for ps in images.values() for p in ps[1:]]
    labelling.add(paths)
    before = labelling.learn()
    plain = of_file(labelling.content(), tmp_path / 'a.safetensors', paths)
    assert plain == pytest.approx(shares(before, paths), abs=1e-5)
    labelling.assign(images['scratch'][1:3], 'scratch')
    labelling.assign(images['dent'][1:2], 'dent')
    after = labelling.learn()
    content = labelling.content()
    assert content.classes == [*CLASSES[:2], 'scratch']
    found = of_file(content, tmp_path / 'b.safetensors', paths)
    assert found == pytest.approx(shares(after, paths), abs=1e-5)
    assert {after.predictions[p].label for p in images['scratch'][1:]} == {
        'scratch'
    }
    assert after.order != [p for p in before.order if p in after.order]
    again = FewShotClassifier(base, show_progress=False).update(
        {
            'scratch': images['scratch'][1:3],
            'dent': images['dent'][1:2],
        }
    )
    again.save(tmp_path / 'c.safetensors')
    assert (
        ModelFile.read(tmp_path / 'c.safetensors').tensors['head.weight']
    ).numpy() == pytest.approx(
        content.tensors['head.weight'].numpy(), rel=1e-3, abs=1e-3
    )


def test_labels_can_be_changed(images, extractor):
    labelling, paths = Labelling(extractor), every(images)
    labelling.add(paths)
    first, second = images['dent'][0], images['rust'][0]
    labelling.assign([first, second], 'one')
    labelling.assign([second], 'two')
    assert labelling.labels == {first: 'one', second: 'two'}
    labelling.assign([first], None)
    assert labelling.classes == ['two']
    assert first in labelling.learn().order
    labelling.forget([second])
    assert labelling.classes == []
    assert second not in labelling.learn().order
    with pytest.raises(KeyError, match='none of the images'):
        labelling.assign([second], 'two')


@pytest.mark.parametrize('name', ['', '  ', 'a\nb', 'a\0'])
def test_names_that_no_class_can_have_are_refused(name, images, extractor):
    labelling = Labelling(extractor)
    labelling.add(images['dent'][:2])
    labelling.assign(images['dent'][:1], 'dent')
    with pytest.raises(ValueError, match='letters that can be printed'):
        labelling.assign(images['dent'][:1], name)
    assert labelling.labels == {images['dent'][0]: 'dent'}


def test_what_is_uncertain_comes_first(images, extractor):
    labelling, paths = Labelling(extractor), every(images)
    labelling.add(paths)
    for name in CLASSES[:2]:
        labelling.assign(images[name][:1], name)
    opinion = labelling.learn()
    # of the class that has no label
    first = opinion.order[: len(CLASSES)]
    assert set(first) & set(images['scratch'])
    rest = opinion.order[opinion.chosen :]
    certain = [max(shares(opinion, [p])[0]) for p in rest]
    assert certain == sorted(certain)


def test_an_image_of_the_file_is_refused(images, base):
    loaded = load_model(base)
    extractor = FeatureExtractor(loaded, workers=0, show_progress=False)
    labelling = Labelling(extractor, loaded.content, 'base')
    labelling.add(images['dent'][:2])
    with pytest.raises(ValueError, match='has learned from'):
        labelling.assign(images['dent'][:2], 'dent')
    assert labelling.labels == {}
    labelling.assign(images['dent'][1:2], 'dent')


def test_an_image_in_two_classes_is_refused(images, extractor, tmp_path):
    labelling, path = Labelling(extractor), images['dent'][0]
    copy = shutil.copy(path, tmp_path / 'copy.png')
    labelling.add([path, str(copy)])
    labelling.assign([path], 'dent')
    with pytest.raises(ValueError, match=r"copy\.png of class 'rust' and .*"):
        labelling.assign([str(copy)], 'rust')
    assert labelling.labels == {path: 'dent'}
    assert labelling.classes == ['dent']
    labelling.assign([str(copy)], 'dent')
    labelling.assign([path, str(copy)], 'rust')
    assert labelling.classes == ['rust']


def test_no_image_can_be_read(extractor, tmp_path):
    (tmp_path / 'a.png').write_bytes(b'no image')
    labelling = Labelling(extractor)
    (made,) = labelling.add([str(tmp_path / 'a.png')])
    assert not made.is_read
    assert 'no image that is read' in made.error
    assert labelling.learn().order == []


def test_features_are_computed_once(extractor, tmp_path):
    paths = []
    for i in range(3):
        paths.append(str(tmp_path / f'{i}.png'))
        picture(i).save(paths[-1])
    (tmp_path / 'b.png').write_bytes(b'no image')
    seen = []

    class Counting:
        encoder = extractor.encoder

        def __call__(self, names):
            seen.extend(names)
            return extractor(names)

    features = RememberedFeatures(Counting())
    first = features([*paths[:2], str(tmp_path / 'b.png')])
    assert first.indices == [0, 1]
    assert [*first.errors] == [2]
    again = features([paths[2], paths[0], paths[2]])
    assert seen == [*paths[:2], str(tmp_path / 'b.png'), paths[2]]
    assert np.array_equal(again.rows[1], first.rows[0])
    whole = extractor(paths)
    assert again.rows[0] == pytest.approx(whole.rows[2], abs=1e-4)
    features.forget(paths)
    assert features.paths == []
