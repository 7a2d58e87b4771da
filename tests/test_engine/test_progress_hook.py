"""What a command shows of a training, and that the log loses nothing."""

import io

import pytest

from mmcvgssl.cli import main
from mmcvgssl.progress import progress_bar

OPTIONS = ('--cfg-options', 'train_cfg.max_epochs=2')


def train(config, work_dir, *words):
    words = [*words, *OPTIONS, f'experiment_name={work_dir.name}']
    assert (
        main(['train', str(config), '--work-dir', str(work_dir), *words]) == 0
    )


def log_of(work_dir):
    return next(work_dir.glob('*/*.log')).read_text()


def test_the_terminal_shows_little_and_the_log_all(
    tiny, tmp_path, capsys, scalars
):
    config = tiny()
    train(config, tmp_path / 'quiet')
    said = capsys.readouterr()
    assert said.out.startswith('trained: ')
    lines = said.err.splitlines()
    assert lines[-1].startswith('epoch 2 of 2: loss ')
    assert any(line.startswith('training: 2 epochs, ') for line in lines)
    assert len(lines) < 10, said.err
    assert 'Hooks will be executed' not in said.err
    log = log_of(tmp_path / 'quiet')
    for text in (
        'Hooks will be executed',
        'System environment',
        'Epoch(train)',
    ):
        assert text in log

    train(config, tmp_path / 'verbose', '--verbose')
    said = capsys.readouterr()
    assert 'Hooks will be executed' in said.err
    assert 'Epoch(train)' in said.err
    assert said.out.startswith('trained: ')
    # what is shown changes nothing
    losses = scalars(tmp_path / 'quiet')
    assert losses
    assert losses == scalars(tmp_path / 'verbose')


@pytest.mark.parametrize(
    ('seconds', 'expected'), [(0.0, ['x: 1 of 2 images', 'x: 2 of 2 images'])]
)
def test_without_a_terminal_progress_is_lines(
    monkeypatch, capsys, seconds, expected
):
    monkeypatch.setattr('mmcvgssl.progress.SECONDS', seconds)
    for _ in progress_bar(range(2), desc='x', unit='image'):
        pass
    said = capsys.readouterr().err
    assert '\r' not in said
    lines = [line.partition(',')[0] for line in said.splitlines()]
    assert [line for line in lines if '0 of' not in line] == expected
    monkeypatch.setattr('mmcvgssl.progress.SECONDS', 30.0)
    for _ in progress_bar(range(2), desc='x'):
        pass
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    ('columns', 'expected'),
    [
        (50, 'work: 1/3 [? left, ?image/s, epoch 1: loss 0.5]'),
        (100, ' 1/3 [00:00<?, ?image/s, epoch 1: loss 0.5]'),
    ],
)
def test_a_bar_fits_the_terminal(columns, expected, monkeypatch):
    monkeypatch.setattr('mmcvgssl.progress.on_terminal', lambda: True)
    bar = progress_bar(
        total=3, desc='work', unit='image', initial=1, file=io.StringIO()
    )
    bar.dynamic_ncols = lambda file: (columns, 40)
    bar.set_postfix_str('epoch 1: loss 0.5')
    line = str(bar)
    assert line.endswith(expected)
    assert len(line) <= columns - 2  # Ctrl-C is shown behind it
    bar.close()


def test_a_terminal_gets_few_lines_of_many_epochs(
    tiny, tmp_path, capsys, monkeypatch
):
    for module in ('progress', 'engine.progress_hook'):
        monkeypatch.setattr(f'mmcvgssl.{module}.on_terminal', lambda: True)
    words = ['--work-dir', str(tmp_path / 'work'), '--cfg-options']
    words += ['train_cfg.max_epochs=12', f'experiment_name={tmp_path.name}']
    assert main(['train', str(tiny()), *words]) == 0
    said = capsys.readouterr().err.replace('\r', '\n').splitlines()
    epochs = [line for line in said if line.startswith('epoch ')]
    assert [line.partition(':')[0] for line in epochs] == [
        f'epoch {number} of 12' for number in (2, 4, 6, 8, 10, 12)
    ]
    assert ', epoch 11 of 12: loss ' in ''.join(said)  # at the bar
