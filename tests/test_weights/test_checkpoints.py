"""Which checkpoint a run goes on from, and how it is written."""

import os
import pickle

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import get_file_backend

from mmcvgssl.engine.atomic_backend import NAME
from mmcvgssl.pipeline.plan import DONE, Planned
from mmcvgssl.pipeline.stage import Stage
from mmcvgssl.runner.resume import check_load_from
from mmcvgssl.weights import WeightsError
from mmcvgssl.weights.checkpoints import (
    check_resumable,
    checkpoints_in,
    newest_whole,
    newest_whole_checkpoint,
)

WHOLE = {
    'state_dict': {'a': torch.ones(3000)},
    'meta': {'epoch': 1, 'iter': 2},
    'message_hub': {},
}


def save(path, held=None):
    torch.save(WHOLE if held is None else held, path)
    return path


def cut(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


@pytest.fixture
def run(tmp_path):
    """Make a folder of three checkpoints, the last one noted."""
    for epoch in (1, 2, 10):
        save(tmp_path / f'epoch_{epoch}.pth')
    (tmp_path / 'last_checkpoint').write_text('/gone/epoch_10.pth')
    save(tmp_path / 'best_accuracy_epoch_2.pth')
    return tmp_path


def names(paths):
    return [path.name for path in paths]


@pytest.mark.parametrize(
    ('note', 'order'),
    [
        ('/gone/away/epoch_10.pth', [10, 2, 1]),
        ('C:\\work\\epoch_10.pth', [10, 2, 1]),
        ('epoch_2.pth\n', [2, 1, 10]),
        ('/gone/epoch_7.pth', [10, 2, 1]),
        ('', [10, 2, 1]),
        ('\0', [10, 2, 1]),
        ('/etc/passwd', [10, 2, 1]),
        (None, [10, 2, 1]),
    ],
)
def test_the_note_names_the_newest_by_its_name_here(run, note, order):
    (run / 'last_checkpoint').unlink()
    if note is not None:
        (run / 'last_checkpoint').write_text(note)
    assert names(checkpoints_in(run)) == [f'epoch_{n}.pth' for n in order]


def test_a_note_may_be_no_text_and_a_folder_empty(run, tmp_path):
    (run / 'last_checkpoint').write_bytes(b'\xff\xfe\x00')
    assert names(checkpoints_in(run))[0] == 'epoch_10.pth'
    assert checkpoints_in(tmp_path / 'none') == []
    assert newest_whole_checkpoint(tmp_path / 'none') is None


def test_a_note_may_name_another_folder_of_this_machine(run, tmp_path):
    other = tmp_path / 'out'
    other.mkdir()
    save(other / 'iter_7.pth')
    (run / 'last_checkpoint').write_text(str(other / 'iter_7.pth'))
    assert checkpoints_in(run)[0] == other / 'iter_7.pth'


@pytest.mark.parametrize('share', [0.0, 0.3, 0.99])
def test_the_newest_whole_one_is_taken_and_the_others_named(run, share):
    cut(run / 'epoch_10.pth', share)
    found, wrong = newest_whole(run)
    assert found == run / 'epoch_2.pth'
    assert len(wrong) == 1
    assert 'epoch_10.pth' in wrong[0]
    said = []
    assert newest_whole_checkpoint(run, said.append) == found
    assert said == [f'{wrong[0]}; {found} is used instead']
    assert names(sorted(run.glob('epoch*'))) == [
        'epoch_1.pth',
        'epoch_10.pth',
        'epoch_2.pth',
    ]


def test_where_none_is_whole_one_sentence_says_so(run):
    for path in run.glob('epoch*'):
        cut(path)
    cfg = Config({'work_dir': str(run), 'resume': True, 'load_from': None})
    for call in (newest_whole_checkpoint, lambda _: check_load_from(cfg)):
        with pytest.raises(WeightsError, match='no checkpoint that can') as e:
            call(run)
        assert 'epoch_10.pth' in str(e.value)
        assert '\n' not in str(e.value)
    assert len(list(run.glob('epoch*'))) == 3


def test_a_run_is_told_what_it_goes_on_from(run, tmp_path):
    cfg = Config({'work_dir': str(run), 'resume': True, 'load_from': None})
    assert check_load_from(cfg) == []
    assert cfg.load_from == str(run / 'epoch_10.pth')
    cut(run / 'epoch_10.pth')
    cfg.load_from = None
    (note,) = check_load_from(cfg)
    assert cfg.load_from == str(run / 'epoch_2.pth')
    assert 'epoch_10.pth' in note
    cfg = Config({'work_dir': str(tmp_path / 'new'), 'resume': True})
    assert check_load_from(cfg) == []
    assert not cfg.resume


@pytest.mark.parametrize('resume', [True, False])
def test_a_named_file_that_is_cut_off_is_refused(run, resume):
    cut(run / 'epoch_10.pth')
    file = str(run / 'epoch_10.pth')
    cfg = Config({'work_dir': 'w', 'resume': resume, 'load_from': file})
    with pytest.raises(WeightsError, match=r'epoch_10\.pth') as caught:
        check_load_from(cfg)
    assert (str(run / 'epoch_2.pth') in str(caught.value)) == resume


@pytest.mark.parametrize(
    ('held', 'expected'),
    [
        ({'a': torch.ones(1)}, 'holds no meta, no message_hub, no epoch'),
        ({'meta': WHOLE['meta']}, 'holds no message_hub, so'),
        ({**WHOLE, 'meta': {'epoch': 'x', 'iter': 1}}, 'holds no epoch, so'),
    ],
)
def test_weights_alone_are_no_place_to_go_on_from(tmp_path, held, expected):
    file = save(tmp_path / 'weights.pth', held)
    with pytest.raises(WeightsError, match=expected) as caught:
        check_resumable(file)
    assert 'load_from' in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        check_resumable(tmp_path / 'none.pth')


def test_other_sources_are_left_to_mmengine(tmp_path):
    for source in ('torchvision://resnet18', 'https://x/y.pth', None):
        assert check_load_from(Config({'load_from': source})) == []
    with pytest.raises(FileNotFoundError, match='no such file'):
        check_load_from(Config({'load_from': str(tmp_path / 'no.pth')}))
    with pytest.raises(WeightsError, match='backbone_checkpoint'):
        check_load_from(Config({'load_from': 'x.safetensors'}))


def test_code_in_a_checkpoint_is_not_run(run):
    class Call:
        def __reduce__(self):
            return os.system, (f'touch {run}/called',)

    (run / 'epoch_10.pth').write_bytes(pickle.dumps(Call()))
    assert newest_whole(run)[0] == run / 'epoch_2.pth'
    assert not (run / 'called').exists()


def test_a_finished_stage_of_a_pipeline_needs_its_last_checkpoint(run):
    (run / DONE).write_text('{}')
    planned = Planned(Stage('detect', 'train'), 'key', run)
    assert planned.output == str(run / 'epoch_10.pth')
    cut(run / 'epoch_10.pth')
    with pytest.raises(WeightsError, match=r'epoch_10.*remove .*done\.json'):
        _ = planned.output


# writing


def test_an_interrupted_write_leaves_the_file_of_before(tmp_path, monkeypatch):
    backend = get_file_backend('x.pth', backend_args={'backend': NAME})
    file = tmp_path / 'deep' / 'epoch_1.pth'
    backend.put(b'whole', str(file))
    backend.put_text('epoch_1', str(tmp_path / 'note'))
    assert (tmp_path / 'note').read_text() == 'epoch_1'

    def killed(*_):
        assert file.read_bytes() == b'whole'
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', killed)
    with pytest.raises(KeyboardInterrupt):
        backend.put(b'new', str(file))
    assert file.read_bytes() == b'whole'
    assert names(file.parent.iterdir()) == ['epoch_1.pth']
