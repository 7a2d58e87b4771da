"""tools/few_shot.py by its command line."""

import json

import numpy as np
import pytest
import torch

from mmcvgssl.apis import load_config
from mmcvgssl.model_file import load_model
from mmcvgssl.models.teachers import TimmTeacher
from mmcvgssl.registry import MODELS
from tests.data import CLASSES

FAST = ['few_shot.schedule.epochs=2']


@pytest.fixture
def student(tiny_classes, tmp_path):
    cfg = load_config(tiny_classes)
    backbone = MODELS.build({**cfg.model.backbone, '_scope_': 'mmpretrain'})
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    file = tmp_path / 'student.pth'
    torch.save({'state_dict': state}, file)
    return file


@pytest.fixture
def weights(tmp_path):
    made = TimmTeacher('test_efficientnet', allow_random=True)
    file = tmp_path / 'teacher.pth'
    torch.save(made.tower.state_dict(), file)
    return f'model.teachers.0.weights={file}'


@pytest.mark.parametrize(
    ('checkpoint', 'mode'),
    [
        ('none', 'finetune'),
        ('none', 'probe'),
        ('teacher', 'linear'),
        ('teacher', 'probe'),
        ('student', 'finetune'),
        ('student', 'linear'),
        ('student', 'probe'),
    ],
)
def test_every_mode_and_kind_of_weights(
    tiny_classes, student, weights, tool, tmp_path, checkpoint, mode
):
    name = str(student) if checkpoint == 'student' else checkpoint
    out = tmp_path / 'out'
    args = [tiny_classes, '--checkpoint', name, '--mode', mode]
    args += ['--shots', 2, 4, '--runs', 2, '--work-dir', out]
    args += ['--cfg-options', *FAST, weights]
    code, text, err = tool('few_shot.py', *args)
    assert code == 0, err
    assert '| accuracy, % | 2-shot | 4-shot |' in text
    file = out / 'few_shot.json'
    written = json.loads(file.read_text())
    assert written['mode'] == mode
    assert written['classes'] == list(CLASSES)
    assert set(written['shots']) == {'2', '4'}
    for shots, entry in written['shots'].items():
        known = {'mean', 'std', 'runs', 'draws'}
        probed = mode in ('probe', 'propagation')
        assert set(entry) == (known | {'balanced'} if probed else known)
        assert len(entry['runs']) == 2
        # stripes of three widths: features tell them apart
        if mode == 'probe' and checkpoint != 'none':
            assert entry['runs'] == [100, 100]
        of_18 = np.array(entry['runs']) * 18 / 100
        assert of_18 == pytest.approx(of_18.round())
        assert entry['mean'] == pytest.approx(sum(entry['runs']) / 2)
        for draw in entry['draws']:
            of_class = [path.split('/')[-2] for path in draw]
            assert of_class == [c for c in CLASSES for _ in range(int(shots))]
            assert all('/train/' in path for path in draw)
            assert len(set(draw)) == len(draw)
        assert entry['draws'][0] != entry['draws'][1]
    # a second call does nothing anew
    before = file.stat().st_mtime_ns
    assert tool('few_shot.py', *args)[0] == 0
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--shots', 99], 'dent has 6; rust has 6; scratch has 6'),
        (['--checkpoint', 'gone.pth'], 'gone.pth'),
        (
            ['--cfg-options', 'model.backbone.base_channels=4'],
            'do not fit ResNet',
        ),
        (['--cfg-options', 'few_shots=1'], 'did you mean few_shot'),
        (
            ['--checkpoint', 'teacher', '--mode', 'finetune'],
            'a teacher is frozen',
        ),
    ],
)
def test_mistakes_end_in_one_clear_line(
    tiny_classes, student, tool, tmp_path, args, message
):
    base = [tiny_classes, '--checkpoint', student, '--work-dir', tmp_path]
    code, _, err = tool('few_shot.py', *base, *args)
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith('ERROR: ')
    assert message in last


def test_runs_of_another_seed_are_not_mixed_in(tiny_classes, tool, tmp_path):
    args = [tiny_classes, '--checkpoint', 'none', '--shots', 1, '--runs', 1]
    args += ['--work-dir', tmp_path / 'out']
    assert tool('few_shot.py', *args)[0] == 0
    first = json.loads((tmp_path / 'out/few_shot.json').read_text())
    assert tool('few_shot.py', *args, '--seed', 3)[0] == 0
    second = json.loads((tmp_path / 'out/few_shot.json').read_text())
    assert (second['seed'], len(second['shots']['1']['runs'])) == (3, 1)
    (earlier,) = (tmp_path / 'out/earlier').glob('*/few_shot.json')
    assert json.loads(earlier.read_text()) == first


def test_results_go_beside_the_runs_of_the_config(
    tiny_classes, tool, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    args = ['--checkpoint', 'none', '--shots', 1, '--runs', 1]
    assert tool('few_shot.py', tiny_classes, *args, '--size', 24)[0] == 0
    out = tmp_path / 'work_dirs' / 'tiny' / 'few_shot' / 'probe_none'
    written = json.loads((out / 'few_shot.json').read_text())
    assert written['size'] == [24, 24]
    assert {p.name for p in out.iterdir()} == {
        *(f'few_shot.{suffix}' for suffix in ('json', 'md', 'png')),
        'provenance.json',
    }


def test_standardised_runs_have_a_folder_of_their_own(
    tiny_classes, student, tool, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    args = [tiny_classes, '--checkpoint', student, '--shots', 1, '--runs', 1]
    code, _, err = tool('few_shot.py', *args, '--standardize')
    assert code == 0, err
    folder = tmp_path / 'work_dirs/tiny/few_shot/probe_student_standardized'
    assert json.loads((folder / 'few_shot.json').read_text())['standardize']


def test_a_classifier_is_saved(tiny_classes, student, tool, tmp_path):
    out, file = tmp_path / 'out', tmp_path / 'model.safetensors'
    args = [tiny_classes, '--checkpoint', student, '--work-dir', out]
    args += ['--shots', 2, '--runs', 1, '--save', file]
    code, text, err = tool('few_shot.py', *args)
    assert code == 0, err
    assert 'classifier model ProbeClassifier' in text
    assert f'classes: {", ".join(CLASSES)}' in text
    assert load_model(file).content.chosen['images'] == 18

    code, _, err = tool('few_shot.py', *args, '--save-draw', 2, 0)
    assert code == 0, err
    assert load_model(file).content.chosen['images'] == 6
    # the earlier one is not lost
    assert list((tmp_path / 'earlier').glob('*/model.safetensors'))

    code, _, err = tool('few_shot.py', *args, '--save-draw', 9, 0)
    assert code == 1
    assert '9 images of each class were asked for' in err
    code, _, err = tool('few_shot.py', *args[:-2], '--save-draw', 2, 0)
    assert code == 1
    assert '--save' in err
