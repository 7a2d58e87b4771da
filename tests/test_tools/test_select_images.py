"""tools/select_images.py and its benchmark."""

import json

import pytest
from mmengine.registry import init_default_scope

from tests.one_class_data import save
from tests.test_tools.test_predict import write


@pytest.fixture
def folder(tmp_path):
    """Write pictures of two classes, and lists of them."""
    root = tmp_path / 'images'
    for part, first in (('train', 0), ('test', 20)):
        lines = []
        for i in range(4):
            for label, name in enumerate(('good', 'dent')):
                path = f'{name}/{first + i}.png'
                save(root / path, first + i + 40 * label, spot=bool(label))
                lines.append(f'{path}\t{label}\n')
        (root / f'{part}.txt').write_text(''.join(lines))
    return root


@pytest.fixture
def model(tmp_path):
    """Write the model file of an anomaly model."""
    init_default_scope('mmpretrain')
    write(tmp_path / 'model.safetensors')
    return tmp_path / 'model.safetensors'


def test_rounds_of_choices(tool, folder, model, tmp_path):
    out, known = tmp_path / 'out', tmp_path / 'labelled.txt'
    args = (
        *('select_images.py', folder, '--features', model, '--out', out),
        *('--workers', 0, '--budget'),
    )
    code, said, err = tool(*args, 6)
    assert code == 0, err
    names = (out / 'selected.txt').read_text().splitlines()
    assert [line for line in said.splitlines() if line in names] == names
    assert '6 of 16 images chosen by kmeans' in said
    # classes that do not depend on what was chosen
    known.write_text(''.join(f'{n} {i % 2}\n' for i, n in enumerate(names)))
    code, said, err = tool(
        *args, 4, '--known', known, '--method', 'uncertainty'
    )
    assert code == 0, err
    record = json.loads((out / 'selection.json').read_text())
    assert record['known'] == names
    assert not {*names} & {image['path'] for image in record['images']}


def test_without_a_folder_files_go_to_selected(
    tool, folder, model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, said, err = tool(
        *('select_images.py', folder, '--features', model),
        *('--workers', 0, '--budget', 2),
    )
    assert code == 0, err
    assert (tmp_path / 'selected/selected.txt').is_file()
    assert 'written to selected' in said


def test_a_budget_that_is_too_large_is_one_sentence(tool, folder, model):
    code, _, err = tool(
        *('select_images.py', folder, '--features', model),
        *('--out', folder.parent / 'out', '--budget', 17),
    )
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith('ERROR: expected a budget of 1 to 16')
    assert last.endswith('got 17')


def test_the_benchmark_prints_a_row_a_method(tool, folder, model):
    code, said, err = tool(
        *('benchmarks/select_images.py', folder / 'train.txt'),
        *(folder / 'test.txt', '--features', model, '--budgets', 2, 4),
        *('--draws', 2, '--methods', 'random', 'equal', 'start'),
        'kmeans+uncertainty',
    )
    assert code == 0, err
    rows = [line.split(' | ') for line in said.splitlines() if '±' in line]
    assert [row[0] for row in rows] == [
        *('| random', '| equal', '| start', '| kmeans+uncertainty'),
    ]
    for row in rows:
        for cell in row[1:]:
            assert 0 <= float(cell.split(' ±')[0]) <= 100


def test_the_benchmark_tries_scores_and_counts_defects(tool, folder, model):
    scores = folder / 'predictions.csv'
    lines = [
        f'{folder / path},{label},,\n'
        for path, label in map(str.split, (folder / 'train.txt').open())
    ]
    scores.write_text(''.join(['path,score,verdict,error\n', *lines]))
    code, said, err = tool(
        *('benchmarks/select_images.py', folder / 'train.txt'),
        *(folder / 'test.txt', '--features', model, '--budgets', 2, 4),
        *('--draws', 20, '--methods', 'equal', 'random'),
        *('--scores', scores, '--good', 0),
    )
    assert code == 0, err
    rows = [line.split(' | ') for line in said.splitlines() if '±' in line]
    assert [row[0] for row in rows] == [
        *('| equal', '| random', '| random, scores'),
    ]
    equal, plain, scored = (
        [float(cell.split('; ')[1].split(')')[0]) for cell in row[1:]]
        for row in rows
    )
    assert equal == [1, 2]
    assert all(s > p for s, p in zip(scored, plain, strict=True))
