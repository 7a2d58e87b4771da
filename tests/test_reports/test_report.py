"""Reports over work directories of all kinds, whole and half finished."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

from mmcvgssl.cli import main
from mmcvgssl.predictions import AnomalyPrediction, BoxPrediction
from mmcvgssl.reports import write_report
from mmcvgssl.reports.results import find_results
from tests.report_data import (
    HOSTILE,
    IN_PATHS,
    coco,
    write_anomaly,
    write_boxes,
    write_classes,
    write_few_shot,
    write_images,
    write_joined,
    write_maps,
    write_one_class,
    write_predictions,
    write_pseudo_boxes,
    write_training,
)


def text_of(file) -> str:
    """Return a page without its largest script."""
    whole = file.read_text('utf-8')
    return re.sub(r'<script>/\*\*.*?</script>', '', whole, flags=re.S)


def data_of(file) -> list:
    """Return figures and thresholds of a page, in order."""
    found = re.search(r'id="data">(.*?)</script>', file.read_text(), re.S)
    return list(json.loads(found[1]).values())


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'page' / 'report.html'


def test_runs_of_one_name_are_told_apart(tmp_path, out):
    first = write_training(tmp_path / 'a' / 'run', 2.0)
    second = write_training(tmp_path / 'b' / 'run', 3.0)
    write_report([first, second, first / '..' / 'run'], out)
    figures, metrics = (part['figures'] for part in data_of(out))
    assert [t['name'] for t in figures[0]['data']] == ['a/run', 'b/run']
    assert figures[0]['data'][1]['y'] == [3.0, 1.5, 1.0, 0.75]
    assert metrics[0]['layout']['xaxis']['title']['text'] == 'epoch'
    assert 'Settings that differ, training (1)' in text_of(out)


@pytest.mark.parametrize('named', ['', '2', '1'])
def test_metrics_of_a_test_are_shown(tmp_path, out, monkeypatch, named):
    for run, value in (('1', 0.125), ('2', 0.75)):
        (tmp_path / 'w' / run / 'vis_data').mkdir(parents=True)
        file = tmp_path / 'w' / run / f'{run}.json'
        file.write_text(json.dumps({'image_auroc': value}))
    made = write_report([tmp_path / 'w' / named], out)
    assert (made.found, made.notes) == ({'metrics': 1}, [])
    monkeypatch.chdir(tmp_path / 'w' / named)
    assert write_report(['.'], out).found == made.found
    page = text_of(out)
    assert ('>0.125</td>' in page) == (named == '1')
    assert ('>0.75</td>' in page) == (named != '1')


def test_a_line_that_is_cut_off_is_said(tmp_path, out):
    run = write_training(tmp_path / 'run', end='{"loss": 0.1, "st')
    made = write_report([run], out)
    assert ['the last line, 9, is cut off' in n for n in made.notes] == [True]
    assert made.notes[0] in text_of(out)
    assert data_of(out)[0]['figures'][0]['data'][0]['x'] == [2, 4, 6, 8]


@pytest.mark.parametrize(
    'line',
    [
        *('[1, 2]', 'null', '{"loss": 1}', '{"step": "x"}', 'xx', '1e999'),
        f'{{"loss": 1{"0" * 400}, "step": 9}}',
    ],
)
def test_lines_that_are_none_are_said(tmp_path, out, line):
    run = write_training(tmp_path / 'run', end=f'{line}\n')
    write_report([run], out)
    assert '1 line (9) that are no JSON objects' in text_of(out)


def test_losses_that_are_no_numbers_are_gaps(tmp_path, out):
    line = {'loss': float('nan'), 'iter': 10, 'step': 10}
    end = f'{json.dumps(line)}\n{json.dumps({**line, "step": 12})}\n'
    run = write_training(tmp_path / 'run', end=end.replace('12', '"12"'))
    write_report([run], out)
    assert data_of(out)[0]['figures'][0]['data'][0]['y'][-1] is None


def test_few_shot_runs_on_other_images_are_not_compared(tmp_path, out):
    write_few_shot(tmp_path / 'w' / 'a')
    write_few_shot(tmp_path / 'w' / 'b', 3.0)
    write_report([tmp_path / 'w'], out)
    assert 'tested on different images' not in text_of(out)
    lines = data_of(out)[0]['figures'][0]['data']
    assert [line['y'] for line in lines[::2]] == [[52, 55], [55, 58]]
    deviation = float(np.std([0, 1, 2]))
    assert lines[0]['error_y']['array'] == pytest.approx([deviation] * 2)
    write_few_shot(tmp_path / 'w' / 'c', 3.0, test='other')
    write_report([tmp_path / 'w'], out)
    assert 'tested on different images' in text_of(out)


def test_scores_are_counted_above_each_threshold(tmp_path, out):
    folder = write_anomaly(tmp_path / 'p', tmp_path / 'parts')
    made = write_report([folder], out, truth=tmp_path / 'parts')
    assert (made.notes, made.pictures) == ([], 20)
    slider = data_of(out)[0]['slider']
    for at, good, defective in zip(
        slider['thresholds'],
        slider['falseAlarms']['above'],
        slider['detected']['above'],
        strict=True,
    ):
        assert good == sum(x > at for x in [*np.linspace(0.1, 0.4, 9), 0.9])
        found = [0.2, *np.linspace(0.6, 1, 9)]
        assert defective == sum(x > at for x in found)
    page = text_of(out)
    # the worst first: a miss, then a false alarm
    assert page.index('dent/0.png') < page.index('good/9.png')
    assert page.index('good/9.png') < page.index('dent/1.png')


def test_only_some_pictures_are_shown(tmp_path, out):
    folder = write_anomaly(tmp_path / 'p', tmp_path / 'parts')
    made = write_report([folder], out, pictures=3)
    assert made.pictures == 3
    assert '3 of 20 images, the highest score first' in text_of(out)
    assert 'Which images are defective is not known' in text_of(out)


def test_pictures_do_not_exceed_their_megabytes(tmp_path, out, monkeypatch):
    folder = write_anomaly(tmp_path / 'p', tmp_path / 'parts')
    monkeypatch.setattr('mmcvgssl.reports.pictures._MEGA', 4000)
    made = write_report([folder], out, megabytes=1)
    assert 0 < made.pictures < 20
    assert sum(map(len, re.findall('data:image[^"]*', text_of(out)))) <= 4000
    assert 'those after them are left out' in text_of(out)


def test_images_that_have_moved_are_found_again(tmp_path, out):
    folder = write_anomaly(tmp_path / 'p', tmp_path / 'parts')
    (tmp_path / 'parts').rename(tmp_path / 'moved')
    made = write_report([folder], out)
    assert made.pictures == 0
    assert made.notes[0].startswith('20 pictures cannot be shown; the first:')
    assert '20 pictures cannot be shown' in text_of(out)
    assert 'name the folder that the images are in now' in made.notes[0]
    moved = tmp_path / 'moved'
    (tmp_path / 'all.txt').write_text('dent/0.png 1\ngood/0.png 0\n')
    for truth in (moved, tmp_path / 'all.txt'):
        with pytest.raises((OSError, ValueError), match='--images DIR names'):
            write_report([folder], out, truth=truth)
        write_report([folder], out, truth=truth, images=moved)
        assert 'AUROC' in text_of(out)
    made = write_report([folder], out, truth=moved, images=moved)
    assert made.pictures == 20
    assert 'AUROC' in text_of(out)


def test_paths_are_relative_to_where_the_command_was_typed(
    tmp_path, out, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    folder = write_anomaly(Path('p'), Path('parts'))
    made = write_report([folder], out, truth='parts')
    assert (made.pictures, made.notes) == (20, [])
    monkeypatch.chdir('p')
    assert write_report(['.'], out).pictures == 0
    made = write_report(['.'], out, truth='../parts', images='../parts')
    assert (made.pictures, made.notes) == (20, [])


def test_classes_are_compared_with_the_truth(tmp_path, out):
    folder = write_classes(tmp_path / 'p', tmp_path / 'c')
    write_report([folder], out, truth=tmp_path / 'c')
    matrix = data_of(out)[0]['figures'][0]['data'][0]
    # IN_PATHS, then rust, as the model has them
    assert matrix['z'] == [[1, 0], [0.3333, 0.6667]]
    assert 'accuracy 83.3 % of 6 images, balanced 83.3 %' in text_of(out)


@pytest.mark.parametrize(
    ('made', 'said'),
    [
        ('list', 'lists indices of classes without their names, and p knows'),
        ('folder', f'p knows the classes {IN_PATHS}, rust, and'),
        ('coco', 'has RUST: they must be the same'),
    ],
)
def test_classes_of_other_names_are_no_truth(tmp_path, out, made, said):
    folder = write_classes(tmp_path / 'p', tmp_path / 'c')
    truth = tmp_path / 'c'
    names = [
        f'{name}/{i}.png' for name in ('rust', IN_PATHS) for i in range(3)
    ]
    if made == 'list':
        truth /= 'test.txt'
        truth.write_text(''.join(f'{n} {int("rust" in n)}\n' for n in names))
    elif made == 'coco':
        truth = tmp_path / 'c.json'
        boxes = {i: [3, 3, 9, 9] for i in range(6)}
        truth.write_text(json.dumps(coco(names, boxes, 'RUST')))
    else:
        file = folder / 'predictions.json'
        file.write_text(file.read_text().replace('c/rust', 'c/Rust'))
        (truth / 'rust').rename(truth / 'Rust')
    with pytest.raises(ValueError, match=re.escape(said)):
        write_report([folder], out, truth=truth)
    if made == 'list':
        (tmp_path / 'c' / 'classes.txt').write_text(f'{IN_PATHS}\nrust\n')
        assert write_report([folder], out, truth=truth).notes == []
        assert 'accuracy 83.3 % of 6 images' in text_of(out)


def test_boxes_of_other_names_are_no_truth(tmp_path, out):
    folder, truth = write_boxes(tmp_path / 'p', tmp_path / 'b')
    truth.write_text(truth.read_text().replace('script', 'SCRIPT'))
    with pytest.raises(
        ValueError, match=r'p knows the classes .* must be the'
    ):
        write_report([folder], out, truth=truth)


def test_boxes_are_compared_with_the_truth(tmp_path, out):
    folder, truth = write_boxes(tmp_path / 'p', tmp_path / 'b')
    write_report([folder], out, truth=truth)
    page = text_of(out)
    for line in (
        '1 missed, 0 false, 0 boxes',
        '0 missed, 1 false, 1 box',
        '0 missed, 0 false, 1 box',
    ):
        assert line in page
    slider = data_of(out)[0]['slider']
    at = slider['thresholds'].index(0.9)
    assert slider['detected'] == {
        'count': 2,
        'above': [1] * len(slider['thresholds']),
    }
    assert slider['falseAlarms']['above'][at] == 0


def crowded(file, names, boxes, crowds):
    """Write boxes as COCO; those of some images are crowds."""
    content = coco(names, boxes, 'dent')
    for box in content['annotations']:
        box['iscrowd'] = int(box['image_id'] in crowds)
    file.write_text(json.dumps(content))
    return file


def test_images_with_crowds_alone_are_defective(tmp_path, out):
    folder = write_anomaly(tmp_path / 'p', tmp_path / 'parts')
    names = [f'dent/{i}.png' for i in range(6)]
    names += [f'good/{i}.png' for i in range(10)]
    boxes = {i: [3, 3, 9, 9] for i in range(6)}
    truth = crowded(tmp_path / 'a.json', names, boxes, {0, 1, 2})
    write_report([folder], out, truth=truth)
    slider = data_of(out)[0]['slider']
    counts = slider['detected']['count'], slider['falseAlarms']['count']
    assert counts == (6, 10)


def test_boxes_on_images_with_crowds_alone_are_not_false(tmp_path, out):
    folder, _ = write_boxes(tmp_path / 'p', tmp_path / 'b')
    names = [f'a/{i}.png' for i in range(3)]
    boxes = {0: [4, 4, 16, 16], 2: [9, 9, 9, 9]}
    truth = crowded(tmp_path / 'a.json', names, boxes, {2})
    content = json.loads(truth.read_text())
    content['categories'][0]['name'] = HOSTILE
    truth.write_text(json.dumps(content))
    made = write_report([folder], out, truth=truth)
    assert '1 image (a/2.png) with crowds or boxes' in made.notes[0]
    assert 'The truth of 1 of 3 images is not known' in text_of(out)
    slider = data_of(out)[0]['slider']
    assert (slider['detected']['count'], slider['unknown']['count']) == (1, 1)
    assert slider['falseAlarms']['above'][0] == 0


def test_boxes_of_several_classes_are_no_class_of_an_image(tmp_path, out):
    folder = write_classes(tmp_path / 'p', tmp_path / 'c')
    names = [f'{name}/{i}.png' for name in ('rust', IN_PATHS) for i in (0, 1)]
    content = coco(names, {i: [3, 3, 9, 9] for i in range(4)}, 'rust')
    content['categories'].append({'id': 2, 'name': IN_PATHS})
    for box in content['annotations'][2:]:
        box.update(category_id=2, iscrowd=1)
    other = {'id': 9, 'image_id': 0, 'category_id': 2}
    content['annotations'].append({**content['annotations'][0], **other})
    truth = tmp_path / 'a.json'
    truth.write_text(json.dumps(content))
    made = write_report([folder], out, truth=truth)
    assert '1 image (rust/0.png) with labels of several' in made.notes[0]
    assert 'accuracy 100.0 % of 3 images' in text_of(out)


def test_pseudo_boxes_are_drawn_where_the_images_are_known(tmp_path, out):
    root = tmp_path / 'parts'
    write_anomaly(tmp_path / 'p', root)
    names = ['good/0.png', 'good/1.png']
    folder = write_pseudo_boxes(tmp_path / 'boxes', names)
    assert write_report([folder], out).pictures == 0
    assert 'give --images DIR' in text_of(out)
    truth = tmp_path / 'truth.json'
    truth.write_text(json.dumps(coco(names, {1: [3, 3, 9, 9]}, 'dent')))
    made = write_report([folder], out, truth=truth, images=root)
    assert (made.pictures, made.notes) == (1, [])

    file = folder / 'report.json'
    report = json.loads(file.read_text())
    file.write_text(json.dumps({**report, 'images_root': '../parts'}))
    made = write_report([folder], out, truth=truth)
    assert (made.pictures, made.notes) == (1, [])
    root.rename(tmp_path / 'moved')
    assert write_report([folder], out).pictures == 0
    assert 'give --images DIR' in text_of(out)


@pytest.mark.parametrize(
    ('score', 'drawn'), [(0.9, 1), (0.3, 1), (0.29, 2), (0.1, 2)]
)
def test_weak_boxes_are_drawn_where_there_are_no_others(
    tmp_path, out, score, drawn
):
    write_images(tmp_path / 'i', {'a': 1})
    box = {'label': 'dent', 'box': [1.0, 1.0, 9.0, 9.0]}
    boxes = [{**box, 'score': score}, {**box, 'score': 0.06}]
    found = [BoxPrediction('a/0.png', boxes=boxes)]
    folder = write_predictions(
        *(tmp_path / 'p', 'detector', tmp_path / 'i', found),
        classes=['dent'],
        score_threshold=0.05,
    )
    write_report([folder], out)
    said = f'{drawn} box{"es" * (drawn > 1)}'
    assert f'<span>{said}</span>' in text_of(out)


@pytest.mark.parametrize(
    ('part', 'key', 'value'),
    [
        ('images', 'height', 0),
        ('images', 'height', 'x'),
        ('annotations', 'bbox', [1, 2]),
        ('annotations', 'bbox', None),
        ('annotations', 'bbox', [1, 2, float('nan'), 4]),
    ],
)
def test_pseudo_boxes_that_are_none_are_said(tmp_path, out, part, key, value):
    names = write_images(tmp_path / 'i', {'a': 2})
    folder = write_pseudo_boxes(tmp_path / 'boxes', names)
    file = folder / 'annotations.json'
    content = json.loads(file.read_text())
    content[part][0][key] = value
    file.write_text(json.dumps(content))
    made = write_report([folder], out, images=tmp_path / 'i')
    assert made.pictures == 0
    assert 'annotations.json: expected images with' in made.notes[0]
    assert 'images without a box' in text_of(out)


def test_boxes_that_joined_are_told_from_labels(tmp_path, out):
    root = tmp_path / 'parts'
    names = write_images(root, {'a': 3})
    folder = write_joined(tmp_path / 'w', names)
    made = write_report([folder], out, images=root)
    # the image that has labels alone is not shown
    assert (made.found, made.pictures) == ({'self-train': 1}, 1)
    assert made.notes == []
    page = text_of(out)
    assert '1 of 1 images with boxes' in page
    assert 'boxes of the detector in cyan, labels in white' in page
    for cell in ('0.250', '0.50', '–'):
        assert f'>{cell}</td>' in page


def test_maps_are_shown_with_their_images_or_alone(tmp_path, out):
    root = tmp_path / 'parts'
    names = write_images(root, {'good': 2, 'dent': 3})
    folder = write_maps(tmp_path / 'maps', root, names)
    assert write_report([folder], out).pictures == 5
    assert 'so maps are shown alone' in text_of(out)
    made = write_report([folder], out, truth=root, images=root)
    assert (made.pictures, made.notes) == (5, [])
    page = text_of(out)
    assert 'AUROC 1.0000' in page
    # without a threshold as many are called defective as are
    assert page.index('dent/2.png') < page.index('good/1.png')


def test_scores_of_one_class_know_their_truth(tmp_path, out):
    root = tmp_path / 'parts'
    names = write_images(root, {'good': 3, 'dent': 3})
    folder = write_one_class(tmp_path / 'w' / 'bottle', root, names)
    made = write_report([folder], out)
    assert (made.pictures, made.notes) == (6, [])
    slider = data_of(out)[0]['slider']
    at = slider['thresholds'].index(1.0)
    assert slider['falseAlarms']['above'][at] == 1
    assert slider['detected']['above'][at] == 3
    broken(folder / 'scores.csv', 'path,score,label,defect\na,x,0,\n')
    assert 'scores.csv: expected path' in write_report([folder], out).notes[0]


@pytest.mark.parametrize('depth', [0, 1, 2])
def test_images_of_one_class_that_have_moved_are_found(tmp_path, out, depth):
    root = tmp_path / 'mvtec' / 'bottle' / 'test'
    names = write_images(root, {'good': 3, 'dent': 3})
    folder = write_one_class(tmp_path / 'w' / 'bottle', root, names)
    (tmp_path / 'mvtec').rename(tmp_path / 'moved')
    images = tmp_path.joinpath('moved', *('bottle', 'test')[:depth])
    assert write_report([folder], out, images=images).pictures == 6
    # no other image of the same name
    images = tmp_path / 'moved' / 'bottle' / 'test' / 'good'
    assert write_report([folder], out, images=images).pictures == 0
    assert 'name the folder that the images are in now' in text_of(out)


def test_an_image_of_the_same_name_is_not_shown(tmp_path, out):
    write_images(tmp_path / 'i', {'good': 1, 'dent': 1})
    found = [AnomalyPrediction('../gone/0.png', score=1.0)]
    folder = write_predictions(
        tmp_path / 'p', 'anomaly', tmp_path / 'i', found
    )
    file = folder / 'predictions.json'
    file.write_text(file.read_text().replace('i/../gone', 'gone'))
    images = tmp_path / 'i' / 'good'
    assert write_report([folder], out, images=images).pictures == 0
    assert 'gone/0.png: name the folder' in text_of(out)


def test_names_are_text(tmp_path, out):
    root = tmp_path / 'work'
    write_pseudo_boxes(root / 'boxes', ['a.png'])
    write_anomaly(root / 'p', tmp_path / 'parts')
    write_training(root / IN_PATHS)
    _, truth = write_boxes(root / 'q', tmp_path / 'b')
    write_report([root], out, truth=truth)
    page = text_of(out)
    assert HOSTILE not in page
    assert IN_PATHS not in page
    # the page's own: its data, plotly and its script
    assert out.read_text().count('</script') == 3


def test_what_is_missing_is_said(tmp_path, out):
    made = write_report([write_training(tmp_path / 'run')], out)
    assert made.lacking[0] == 'metrics'
    page = text_of(out)
    assert 'No few-shot accuracy: mmcvgssl few-shot writes' in page
    assert '--features MODEL' in page


def broken(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ('name', 'content', 'said'),
    [
        ('predictions.json', '{"images": [', 'expected JSON'),
        ('predictions.json', '[]', 'holds a list'),
        ('predictions.json', '{"images": []}', "KeyError: 'model'"),
        (
            'predictions.json',
            '{"model": {"kind": "odd"}, "root": "", "images": []}',
            "KeyError: 'odd'",
        ),
        (
            'predictions.json',
            '{"model": {"kind": "anomaly"}, "root": "", "images": '
            '[{"path": "a", "score": NaN, "size": [1, 1]}]}',
            'score of a is nan',
        ),
        (
            'predictions.json',
            '{"model": {"kind": "anomaly"}, "root": "", "images": [], '
            '"threshold": NaN}',
            'threshold is nan',
        ),
        (
            'predictions.json',
            '{"model": {"kind": "anomaly"}, "root": "", "images": [], '
            '"overlays": "../../elsewhere"}',
            'is no path inside the folder',
        ),
        ('few_shot.json', '{"shots": {"a": {}}}', 'few_shot.json'),
        ('few_shot.json', '{', 'expected JSON'),
        ('report.json', '[]', 'report.json'),
        ('report.json', '{"boxes_per_image": 1}', "KeyError: 'notes'"),
        ('predictions.partial.jsonl', '{', 'predictions are not finished'),
        ('manifest.0.jsonl', '{', 'maps are not finished'),
        ('1/vis_data/config.py', '', 'without scalars.json'),
        ('earlier/1/few_shot.json', '{}', 'results of other settings'),
    ],
)
def test_a_mixed_folder_shows_what_can_be_read(
    tmp_path, out, capsys, name, content, said
):
    write_few_shot(tmp_path / 'w' / 'whole')
    broken(tmp_path / 'w' / 'odd' / name, content)
    assert main(['report', str(tmp_path / 'w'), '--out', str(out)]) == 0
    page = text_of(out).replace('&#39;', "'")
    assert said in page
    assert 'whole.pth' in page
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ('make', 'options', 'said'),
    [
        (None, [], 'found no '),
        ('', [], 'expected a work directory with results'),
        ('a.txt', [], 'is a file: expected the work directory'),
        ('predictions.partial.jsonl', [], 'predictions are not finished'),
        ('few_shot.json', ['--truth', 'none.json'], 'found no none.json'),
        ('few_shot.json', ['--images', 'none'], 'found no none'),
        ('few_shot.json', ['--truth', '.'], 'is of no use'),
        ('few_shot.json', ['--truth', 'a.png'], 'expected a COCO file'),
        ('few_shot.json', ['--features', 'x'], 'is of no use'),
        ('few_shot.json', ['--pictures', '0'], 'pictures is 1 or more'),
        ('few_shot.json', ['--megabytes', '0'], 'megabytes is 1 or more'),
        ('few_shot.json', ['--points', '0'], 'points is 1 or more'),
        ('few_shot.json', ['--out', 'mine.txt'], 'is no report of mmcvgssl'),
        ('few_shot.json', ['--out', '.'], 'is a folder'),
        ('few_shot.json', ['--out', ''], '--out is empty'),
    ],
)
def test_bad_input_is_a_sentence(
    tmp_path, monkeypatch, capsys, make, options, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mine.txt').write_text('mine')
    (tmp_path / 'a.png').touch()
    work = tmp_path / 'work'
    if make is not None:
        work.mkdir()
    if make == 'few_shot.json':
        write_few_shot(work / 'a')
    elif make:
        (work / make).touch()
    given = work / make if make == 'a.txt' else work
    assert main(['report', str(given), *options]) == 1
    text = capsys.readouterr().err
    assert said in text
    assert 'Traceback' not in text
    assert (tmp_path / 'mine.txt').read_text() == 'mine'
    assert not (tmp_path / 'report.html').exists()


def test_a_truth_that_fits_nothing_is_refused(tmp_path, out):
    folder, _ = write_boxes(tmp_path / 'p', tmp_path / 'b')
    other = tmp_path / 'other.json'
    other.write_text(json.dumps(coco(['x/y.png'], {}, 'dent')))
    with pytest.raises(ValueError, match='knows none of the images'):
        write_report([folder], out, truth=other)
    twice = tmp_path / 'twice.json'
    twice.write_text(json.dumps(coco(['0.png'], {}, 'dent')))
    predicted = [AnomalyPrediction(f'{n}/0.png', score=1.0) for n in 'ab']
    folder = write_predictions(
        tmp_path / 'q', 'anomaly', tmp_path / 'i', predicted
    )
    with pytest.raises(ValueError, match=r'0\.png would be the truth of both'):
        write_report([folder], out, truth=twice)
    assert not out.exists()


def test_a_report_is_written_anew(tmp_path, out):
    run = write_training(tmp_path / 'run')
    write_report([run], out)
    write_report([run], out)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_many_predictions_make_a_small_page(tmp_path, out):
    random = np.random.default_rng(0)
    scores = random.normal(size=20_000)
    found = [
        AnomalyPrediction(f'{i}.png', score=float(score))
        for i, score in enumerate(scores)
    ]
    folder = write_predictions(
        tmp_path / 'p', 'anomaly', tmp_path / 'gone', found, threshold=1.0
    )
    start = time.perf_counter()
    made = write_report([folder], out)
    assert time.perf_counter() - start < 20
    assert made.size < 6e6
    slider = data_of(out)[0]['slider']
    assert len(slider['thresholds']) < 500
    at = slider['thresholds'].index(1.0)
    assert slider['unknown']['above'][at] == (scores > 1).sum()


def test_results_are_found_in_any_nesting(tmp_path):
    write_training(tmp_path / 'w' / 'deep' / 'er')
    write_few_shot(tmp_path / 'w' / 'few')
    (tmp_path / 'w' / 'loop').symlink_to(tmp_path / 'w')
    found = find_results([tmp_path / 'w', tmp_path / 'w' / 'deep'])
    assert [(r.kind, r.name) for r in found.found] == [
        ('training', 'er'),
        ('few-shot', 'few'),
    ]
    run = tmp_path / 'w' / 'deep' / 'er' / '20260101_000000'
    assert [r.folder for r in find_results([run]).found] == [run]
