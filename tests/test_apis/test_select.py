"""Choosing images of a folder to label first, and what is written."""

import csv
import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmcvgssl.apis import MapFolder, find_mapped_images
from mmcvgssl.apis.features import FeatureExtractor
from mmcvgssl.apis.predict import Predictor
from mmcvgssl.apis.prediction_folder import Outputs, predict_to_folder
from mmcvgssl.apis.select import select_images, selection_text
from mmcvgssl.datasets.coco_boxes import plain_box
from mmcvgssl.datasets.reading import UnreadableImageError
from tests.data import write_broken
from tests.one_class_data import SIDE, save
from tests.test_tools.test_predict import write

FILES = [
    *('contact_sheet.png', 'cvat_coco.json', 'label_studio.json'),
    *('label_studio.xml', 'selected.txt', 'selection.json'),
]


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Write the model file of an anomaly model."""
    path = tmp_path_factory.mktemp('model') / 'model.safetensors'
    init_default_scope('mmpretrain')
    write(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Write pictures of two folders."""
    root = tmp_path / 'images'
    for i in range(5):
        save(root / f'good/{i}.png', i)
        save(root / f'dent one/{i}.png', 20 + i, spot=True)
    return root


@pytest.fixture
def choose(model, folder, tmp_path):
    """Choose images of the folder."""

    def run(budget, images=folder, out='out', features=model, **options):
        target = tmp_path / out
        options.setdefault('workers', 0)
        return select_images(images, budget, features, target, **options)

    return run


def read(out):
    return json.loads((out / 'selection.json').read_text())


def test_files_name_the_same_images(choose, tmp_path):
    found = choose(4, classes=['scratch', 'pit'])
    out = tmp_path / 'out'
    assert sorted(p.name for p in out.iterdir() if p.suffix) == FILES
    names = (out / 'selected.txt').read_text().splitlines()
    assert names == found.paths
    assert len({*names}) == 4
    record = read(out)
    assert [image['path'] for image in record['images']] == names
    assert [image['rank'] for image in record['images']] == [1, 2, 3, 4]
    assert record['features']['name'] == 'model.safetensors'
    tasks = json.loads((out / 'label_studio.json').read_text())
    assert [task['data']['path'] for task in tasks] == names
    assert all('predictions' not in task for task in tasks)
    for task, name in zip(tasks, names, strict=True):
        address = '/data/local-files/?d=' + name.replace(' ', '%20')
        assert task['data']['image'] == address
    coco = json.loads((out / 'cvat_coco.json').read_text())
    assert [image['file_name'] for image in coco['images']] == names
    assert [c['name'] for c in coco['categories']] == ['scratch', 'pit']
    assert coco['annotations'] == []
    assert coco['licenses'] == []
    assert {(i['height'], i['width']) for i in coco['images']} == {(SIDE,) * 2}
    sheet = cv2.imread(str(out / 'contact_sheet.png'))
    assert sheet.shape == (168, 4 * 164 + 4, 3)
    assert '4 of 10 images chosen by kmeans' in selection_text(found, out)


@pytest.mark.parametrize('method', ['kmeans', 'kcentre', 'random'])
def test_the_choice_does_not_depend_on_batches_and_workers(choose, method):
    plain = choose(5, out='a', method=method)
    other = choose(5, out='b', method=method, batch_size=3, workers=2)
    assert plain.paths == other.paths


def test_another_choice_moves_the_earlier_one_aside(choose, tmp_path):
    first = choose(2)
    choose(2)  # the same again
    out = tmp_path / 'out'
    assert not (out / 'earlier').exists()
    second = choose(3, method='kcentre')
    assert (out / 'selected.txt').read_text().splitlines() == second.paths
    (aside,) = (out / 'earlier').iterdir()
    assert (aside / 'selected.txt').read_text().splitlines() == first.paths


def test_a_sheet_among_the_images_is_no_image(choose, folder):
    first = choose(2, out='images/chosen')
    again = choose(2, out='images/chosen')
    assert again.candidates == first.candidates == 10
    assert again.paths == first.paths


def test_known_images_are_never_chosen_again(choose, folder, tmp_path):
    known = tmp_path / 'labelled.txt'
    seen = []
    for _ in range(3):
        known.write_text('\n'.join(seen))
        found = choose(3, known=known if seen else None)
        assert not {*found.paths} & {*seen}
        seen += found.paths
    known.write_text('\n'.join(f'{p}\t{i % 2}' for i, p in enumerate(seen)))
    found = choose(1, known=known)
    assert found.known == 9
    assert {*found.paths, *seen} == {
        p.relative_to(folder).as_posix() for p in folder.rglob('*.png')
    }


@pytest.mark.parametrize('space', ['\t', ' '])
def test_uncertainty_takes_labels(choose, tmp_path, space):
    known = tmp_path / 'labelled.txt'
    lines = [f'good/{i}.png{space}0' for i in range(2)]
    lines += [f'dent one/{i}.png{space}1' for i in range(2)]
    known.write_text('\n'.join(lines))
    found = choose(3, known=known, method='uncertainty')
    assert len(found.paths) == 3
    assert not {*found.paths} & {line[:-2] for line in lines}


def test_a_list_of_images_and_known_ones_beside_it(choose, folder, tmp_path):
    images = tmp_path / 'some.txt'
    images.write_text('good/0.png\ngood/1.png\ngood/2.png\n')
    known = tmp_path / 'known.txt'
    known.write_text('dent one/3.png\n')  # not listed, but there
    found = choose(2, images, root=folder, known=known)
    assert {*found.paths} < {f'good/{i}.png' for i in range(3)}
    assert found.known == 1


def test_one_image(choose, folder):
    assert choose(1, folder / 'good/0.png').paths == ['0.png']


def test_copies_are_one_candidate(choose, folder):
    shutil.copy(folder / 'good/1.png', folder / 'good/a copy.png')
    shutil.copy(folder / 'good/1.png', folder / 'good/0 copy.png')
    found = choose(10)
    assert len(found.copies) == 2
    assert found.candidates == 10
    with pytest.raises(ValueError, match=r'1 to 10, .* no copies.*, got 11'):
        choose(11)


def test_all_are_copies(choose, tmp_path):
    root = tmp_path / 'same'
    for i in range(4):
        save(root / f'{i}.png', 0)
    assert choose(1, root).paths == ['0.png']
    with pytest.raises(ValueError, match=r'1 to 1, .*3 \(1.png'):
        choose(2, root)
    known = tmp_path / 'known.txt'
    known.write_text('2.png\n')
    with pytest.raises(ValueError, match='nothing is left to choose'):
        choose(1, root, known=known)


def test_the_same_pixels_in_other_files_are_said(choose, folder, tmp_path):
    # with a spot, which tells it from the others on any processor
    first, copy = 'dent one/1.png', 'dent one/1.bmp'
    cv2.imwrite(str(folder / copy), cv2.imread(str(folder / first)))
    found = choose(11)
    assert found.candidates == 11
    assert len({first, copy} & {*found.repeats}) == 1
    assert read(tmp_path / 'out')['repeats'] == found.repeats
    assert 'with the features of another' in selection_text(found, 'out')
    assert choose(2).repeats == []  # there are enough others
    known = tmp_path / 'known.txt'
    known.write_text(f'{first}\n')
    assert copy in choose(10, known=known).repeats


def test_budgets_of_numpy_are_numbers(choose, tmp_path):
    assert len(choose(np.int64(2), seed=np.uint8(3)).paths) == 2
    assert read(tmp_path / 'out')['seed'] == 3


def test_broken_files_are_left_out_and_named(choose, folder, caplog):
    broken = write_broken(folder / 'broken')
    found = choose(10)
    assert len(found.paths) == 10
    assert len(found.errors) == len(broken)
    assert all(path.startswith('broken/') for path in found.errors)
    assert 'cannot be read' in selection_text(found, 'out')


def test_copies_of_a_broken_file_are_broken(choose, folder):
    for i in range(3):
        (folder / f'{i}.jpg').write_bytes(b'no picture')
    found = choose(3)
    assert sorted(found.errors) == ['0.jpg', '1.jpg', '2.jpg']
    assert found.copies == []


def test_uncertainty_of_labels_that_cannot_be_read(choose, folder, tmp_path):
    (folder / 'bad.png').write_bytes(b'no picture')
    known = tmp_path / 'known.txt'
    known.write_text('bad.png 1\ngood/1.png 0\n')
    with pytest.raises(UnreadableImageError, match=r'of 1 classes .*bad\.png'):
        choose(2, known=known, method='uncertainty')


def test_fewer_than_the_budget_can_be_read(choose, folder, tmp_path):
    write_broken(folder / 'broken')
    with pytest.raises(ValueError, match=r'expected 12 images .* got 10'):
        choose(12)
    listed = (tmp_path / 'out/selected.txt').read_text().splitlines()
    assert len(listed) == 10


def test_nothing_can_be_read(choose, tmp_path):
    write_broken(tmp_path / 'broken')
    with pytest.raises(UnreadableImageError, match='none of 3 images'):
        choose(1, tmp_path / 'broken')


def scores_of(folder, model, out):
    predictor = Predictor(model, workers=0)
    predict_to_folder(
        predictor, folder, out, outputs=Outputs(overlays=False, maps=True)
    )
    return out


def test_scores_weigh_images_whatever_file_they_are_in(
    choose, folder, model, tmp_path
):
    predictions = scores_of(folder, model, tmp_path / 'predictions')
    options = dict(method='random', seed=3)
    made = [
        choose(4, out=f'o{i}', scores=source, **options).paths
        for i, source in enumerate(
            [
                predictions / 'predictions.json',
                predictions / 'predictions.csv',
                model,
            ]
        )
    ]
    assert made[0] == made[1] == made[2]


@pytest.fixture
def table(folder, tmp_path):
    """Write predictions of the folder's images, and change them."""

    def write_rows(change):
        rows = [
            {'path': str(p), 'score': 0.5, 'verdict': '', 'error': ''}
            for p in sorted(folder.rglob('*.png'))
        ]
        rows = [change(i, row) for i, row in enumerate(rows)]
        path = tmp_path / 'predictions.csv'
        with path.open('w') as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write_rows


def without(key):
    return lambda i, row: {k: v for k, v in row.items() if k != key}


@pytest.mark.parametrize(
    ('change', 'match'),
    [
        (lambda i, row: {**row, 'path': f'{i}.png'}, 'no score of 10 images'),
        (lambda i, row: {**row, 'score': 'nan'}, "a score is 'nan'"),
        (lambda i, row: {**row, 'score': 'high'}, 'could not convert'),
        (lambda i, row: {**row, 'score': ''}, 'expected a path, a score'),
        (without('score'), "KeyError: 'score'"),
        (without('path'), "KeyError: 'path'"),
    ],
)
def test_bad_scores(choose, table, change, match):
    with pytest.raises(ValueError, match=match):
        choose(2, scores=table(change))


def test_scores_of_other_images_of_the_same_names(
    choose, folder, model, tmp_path
):
    predictions = scores_of(folder, model, tmp_path / 'predictions')
    other = tmp_path / 'tuesday'
    shutil.copytree(folder, other)
    table = predictions / 'predictions.json'
    # the very same images elsewhere are what was predicted
    assert len(choose(2, other, scores=table).paths) == 2
    changed = sorted(other.rglob('*.png'))[0]
    save(changed, 70)
    with pytest.raises(ValueError, match='of 10 as they are now'):
        choose(2, other, scores=table)
    # without the record beside it, a table is of the folder that it names
    (tmp_path / 'moved.json').write_bytes(table.read_bytes())
    assert len(choose(2, scores=tmp_path / 'moved.json').paths) == 2
    with pytest.raises(ValueError, match='but of others of these names'):
        choose(2, other, scores=tmp_path / 'moved.json')


def test_scores_of_what_could_not_be_read_are_not_needed(choose, table):
    def change(i, row):
        return {**row, 'score': '', 'error': 'broken'} if i < 2 else row

    assert len(choose(2, scores=table(change)).paths) == 2


def test_boxes_of_maps_are_handed_over(choose, folder, model, tmp_path):
    predictions = scores_of(folder, model, tmp_path / 'predictions')
    late = folder / 'late.png'
    save(late, 70)
    found = choose(11, maps=predictions / 'maps', classes=['scratch'])
    assert found.without_map == ['late.png']
    out = tmp_path / 'out'
    coco = json.loads((out / 'cvat_coco.json').read_text())
    names = {image['id']: image['file_name'] for image in coco['images']}
    assert [c['name'] for c in coco['categories']] == ['anomaly', 'scratch']
    # what Datumaro, CVAT's reader, refuses to miss
    assert {'info', 'licenses'} < {*coco}
    assert coco['annotations']
    for entry in coco['annotations']:
        assert (entry['segmentation'], entry['iscrowd']) == ([], 0)
        assert type(entry['id']) is type(entry['image_id']) is int
    assert min(c['id'] for c in coco['categories']) == 1
    tasks = json.loads((out / 'label_studio.json').read_text())
    boxes = {
        (names[a['image_id']], *plain_box(a['bbox']))
        for a in coco['annotations']
    }
    shown = {
        (
            task['data']['path'],
            *(round(result['value'][key] * SIDE / 100) for key in KEYS),
        )
        for task in tasks
        for part in task.get('predictions', ())
        for result in part['result']
    }
    assert shown == boxes
    maps = MapFolder(predictions / 'maps')
    assert find_mapped_images(maps, folder, allow_missing=True).without_map


KEYS = ('x', 'y', 'width', 'height')


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        (dict(budget=0), 'expected a budget of 1 image or more, .* got 0'),
        (dict(budget=2.5), 'a whole number, got 2.5'),
        (dict(budget='3'), "a whole number, got '3'"),
        (dict(budget=True), 'a whole number, got True'),
        (dict(seed=-1), 'a seed of 0 to .* got -1'),
        (dict(classes=['a', 'a']), 'each once'),
        (dict(classes=['a', ' ']), 'names of classes'),
        (dict(known='images'), 'found no file images'),
        (dict(budget=11), 'expected a budget of 1 to 10, .* got 11'),
        (dict(method='best'), "expected a method of .*, got 'best'"),
        (dict(features='no.pth'), 'no file no.pth'),
        (dict(features='package:resnet'), 'package:efficientnet-lite0'),
        (dict(size=64), 'a size of 64 pixels is for .* leave it out'),
        (dict(config='cfg.py'), 'a config is for .* leave it out'),
        (dict(batch_size=0), 'batch_size is 1 or more'),
        (dict(method='uncertainty'), 'learns from known labels'),
        (dict(known='gone.txt'), 'gone.txt'),
        (dict(scores='gone.csv'), 'gone.csv'),
        (dict(maps='gone'), 'gone'),
        (dict(out='images/good/0.png'), 'is a file'),
        (dict(images='gone'), 'found no gone'),
    ],
)
def test_bad_input_is_refused_before_images_are_read(
    choose, monkeypatch, options, match
):
    def read_none(*args):
        raise AssertionError('images are read')

    monkeypatch.setattr(
        'mmcvgssl.apis.features.FeatureExtractor.__call__', read_none
    )
    with pytest.raises((OSError, ValueError), match=match):
        choose(**{'budget': 2, **options})


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        ('good/9.png\n', '1 image .good/9.png. of 1 not found'),
        ('good/0.png 1\ngood/1.png\n', 'either all lines have a class index'),
        ('good/0.png 1\ngood/0.png 2\n', 'one class an image, got 1 and 2'),
        ('../out.png\n', 'not found in'),
        ('../images/../beside.png\n', r'1 image .../beside.png. of 1 not'),
    ],
)
def test_bad_lists_of_known_images(choose, tmp_path, text, match):
    save(tmp_path / 'beside.png', 9)
    known = tmp_path / 'known.txt'
    known.write_text(text)
    with pytest.raises((OSError, ValueError), match=match):
        choose(2, known=known)


def test_uncertainty_of_one_class(choose, tmp_path):
    known = tmp_path / 'known.txt'
    known.write_text('good/0.png 1\ngood/1.png 1\n')
    with pytest.raises(ValueError, match=r'two classes or more, .* 1 classes'):
        choose(2, known=known, method='uncertainty')


def test_features_of_a_random_order_are_the_same(choose, folder, model):
    extractor = FeatureExtractor(model, workers=0)
    paths = sorted(folder.rglob('*.png'))
    rows = extractor(paths).rows
    turned = extractor(paths[::-1]).rows[::-1]
    assert np.allclose(rows, turned, atol=1e-5)
    assert torch.get_num_threads() == 1
