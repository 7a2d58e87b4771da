"""tools/train.py and tools/test.py by their command lines."""

import json

import pytest
import torch

from mmcvgssl.weights import read_checkpoint
from tests.data import CONFIGS, picture, write_broken, write_images


def logged(work) -> list[dict]:
    (file,) = work.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize('amp', [False, True])
def test_training_on_a_folder_of_ones_own(tiny, tool, tmp_path, amp):
    mine, work = tmp_path / 'mine', tmp_path / 'work'
    write_images(mine, 4)
    options = ['--cfg-options', f'data_root={mine}', 'train_cfg.max_epochs=1']
    amp_flag = ['--amp'] if amp else []
    code, _, err = tool(
        'train.py', tiny(), '--work-dir', work, *amp_flag, *options
    )
    assert code == 0, err
    content = read_checkpoint(work / 'epoch_1.pth')
    assert str(mine) in content['meta']['cfg']
    assert ('AutocastOptimWrapper' in content['meta']['cfg']) == (
        amp and not torch.cuda.is_available()
    )
    assert len(logged(work)) == 1  # one batch of four of these images


def test_resume_goes_on_where_the_run_stopped(tiny, tool, tmp_path):
    config, work = tiny(), tmp_path / 'work'
    args = ['train.py', config, '--work-dir', work]
    one = ['--cfg-options', 'train_cfg.max_epochs=1']
    assert tool(*args, '--resume', *one)[0] == 0  # nothing to resume yet
    before = (work / 'epoch_1.pth').stat().st_mtime_ns
    more = ['--cfg-options', f'experiment_name={tmp_path.name}']
    assert tool(*args, '--resume', *more)[0] == 0
    assert (work / 'epoch_1.pth').stat().st_mtime_ns == before
    assert read_checkpoint(work / 'epoch_2.pth')['meta']['epoch'] == 2
    other = tmp_path / 'other'
    more = ['--cfg-options', f'experiment_name={tmp_path.name}-other']
    code, _, err = tool(
        *['train.py', config, '--work-dir', other],
        *['--resume', work / 'epoch_1.pth', *more],
    )
    assert code == 0, err
    assert (other / 'epoch_2.pth').is_file()
    assert not (other / 'epoch_1.pth').exists()


def test_a_work_dir_holds_one_training(tiny, tool, tmp_path):
    config, work = tiny(), tmp_path / 'work'
    runs = iter(range(9))

    def train(*args):
        name = f'experiment_name={tmp_path.name}-{next(runs)}'
        options = ['--cfg-options', 'train_cfg.max_epochs=1', name]
        return tool('train.py', config, '--work-dir', work, *options, *args)

    assert train()[0] == 0
    first = (work / 'epoch_1.pth').read_bytes()
    code, _, err = train('optim_wrapper.optimizer.lr=0.5', '--resume')
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert 'optim_wrapper.optimizer.lr: 0.02 there, 0.5 here' in last
    assert '--work-dir' in last
    image = next((tmp_path / 'images').glob('*.png'))
    picture(30).save(image)
    code, _, err = train('--resume')
    assert code == 1
    assert f'1 of 8 changed, {image.name}' in err.strip().splitlines()[-1]
    assert (work / 'epoch_1.pth').read_bytes() == first
    # without it the training starts anew, beside the old
    assert train()[0] == 0
    (kept,) = (work / 'earlier').glob('*/epoch_1.pth')
    assert kept.read_bytes() == first
    assert (work / 'epoch_1.pth').read_bytes() != first
    (work / 'provenance.json').unlink()
    for args in ([], ['--resume']):
        code, _, err = train(*args)
        assert code == 1
        assert 'depend' in err.strip().splitlines()[-1]


def test_the_learning_rate_is_scaled_on_demand(tiny, tool, tmp_path):
    work = tmp_path / 'work'
    code, _, err = tool(
        *['train.py', tiny(), '--work-dir', work, '--auto-scale-lr'],
        *['--cfg-options', 'train_cfg.max_epochs=1'],
        'optim_wrapper.optimizer.lr=0.64',
    )
    assert code == 0, err
    state = read_checkpoint(work / 'epoch_1.pth')['optimizer']
    assert state['param_groups'][0]['lr'] == pytest.approx(0.64 * 4 / 64)


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['data_rot=x'], "no option 'data_rot'; did you mean data_root"),
        (['data_root=gone'], 'no folder gone: set data_root'),
        (['train_dataloader.batch_size=99'], 'larger than the data set of 8'),
        (['model.mixup=2'], 'mixup is a share in [0, 1], got 2'),
        (
            ['model.teachers.0.weights=gone.pth'],
            '`weights`: Expected weights in gone.pth, found no such file',
        ),
        (
            ['model.teachers.0.allow_random=False'],
            'package:efficientnet-lite0',
        ),
        (['train_dataloader.dataset.fixed=2'], "argument 'fixed'"),
    ],
)
def test_mistakes_end_in_one_clear_line(tiny, tool, tmp_path, args, message):
    work = tmp_path / 'work'
    extra = "for t in model['teachers']:\n    t['weights'] = None\ndel t\n"
    code, _, err = tool(
        *['train.py', tiny(extra), '--work-dir', work],
        *['--cfg-options', *args],
    )
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith('ERROR: ')
    assert message in last
    assert not list(work.glob('*.pth'))


def test_a_config_that_is_not_there_is_named(tool, tmp_path):
    code, _, err = tool('train.py', tmp_path / 'gone.py')
    assert code == 1
    assert err.strip().splitlines()[-1].startswith('ERROR: no config file')


def test_too_many_broken_files_stop_the_run(tiny, tool, tmp_path):
    write_broken(tmp_path / 'images' / 'broken')
    code, _, err = tool('train.py', tiny(), '--work-dir', tmp_path / 'work')
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert 'of 11 images cannot be read' in last
    assert 'max_unreadable' in last


def test_nan_ends_in_one_clear_line(tiny, tool, tmp_path):
    work = tmp_path / 'work'
    code, _, err = tool(
        *['train.py', tiny(), '--work-dir', work],
        *['--cfg-options', 'optim_wrapper.optimizer.lr=1e38'],
    )
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert 'at iteration 2 of epoch 1' in last
    assert 'none yet' in last


def test_a_pretraining_config_has_no_test(tool, tmp_path):
    config = next((CONFIGS / 'pretrain' / 'cvgssl').glob('*.py'))
    file = tmp_path / 'epoch_1.pth'
    code, _, err = tool('test.py', config, file)
    assert code == 1
    assert f'ERROR: no checkpoint {file}' in err
    file.write_bytes(b'')
    code, _, err = tool('test.py', config, file)
    assert code == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith('ERROR: ')
    assert 'evaluated by mmcvgssl few-shot' in last


def test_an_anomaly_config_has_no_training(tool, tmp_path):
    code, _, err = tool(
        'train.py',
        *('patchcore_lite0_folder', '--work-dir', tmp_path / 'work'),
        *('--cfg-options', f'data_root={tmp_path}'),
    )
    assert code == 1
    assert 'describes no training, as it has no train_' in err
    assert 'Traceback' not in err
