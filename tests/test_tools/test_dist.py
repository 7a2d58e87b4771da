"""Two processes learn one model from different images."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch

from mmcvgssl.model_file import load_model
from tests.data import CONFIGS, ROOT
from tests.one_class_data import RECIPES, tiny_options, write_magnetic_tile

# as sitecustomize.py: registered first, and so called last
AT_EXIT = """
import atexit
import os
from pathlib import Path


@atexit.register
def dump_threads():
    tasks = Path('/proc/self/task').glob('*/comm')
    names = ' '.join(task.read_text().strip() for task in tasks)
    Path(f'threads{os.environ.get("RANK")}.txt').write_text(names)
"""
HOOK = """
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class DumpHook(Hook):
    seen = ()
    priority = 'LOWEST'

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        ids = [s.sample_idx for s in data_batch['data_samples']]
        self.seen = (*self.seen, (runner.epoch, ids))

    def after_train_epoch(self, runner):
        model = runner.model.module
        torch.save(
            {
                'state': model.state_dict(),
                'seen': self.seen,
                'draw': torch.rand(()),
                'world': torch.distributed.get_world_size(),
                'backend': torch.distributed.get_backend(),
            },
            f'{runner.work_dir}/rank{get_rank()}_{runner.epoch}.pt',
        )
"""
EXTRA = """
custom_imports = dict(imports=['mmcvgssl', 'dump_hook'])
custom_hooks = [*_base_.custom_hooks, dict(type='DumpHook')]
train_dataloader.update(batch_size=2)
model.update(mixup=0.5)
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def assert_no_thread_of_gloo(folder) -> None:
    # one that outlives the interpreter may abort the process
    for rank in (0, 1):
        names = (folder / f'threads{rank}.txt').read_text()
        assert names
        assert 'gloo' not in names


def test_two_processes_agree_on_weights_and_share_the_images(
    tiny, process, tmp_path
):
    (tmp_path / 'dump_hook.py').write_text(HOOK)
    (tmp_path / 'sitecustomize.py').write_text(AT_EXIT)
    work = tmp_path / 'work'
    script = ROOT / 'tools' / 'dist_train.sh'
    done = process(
        ['bash', script, tiny(EXTRA), 2, '--work-dir', work],
        PORT=free_port(),
        PYTHONPATH=tmp_path,
        CUDA_VISIBLE_DEVICES='',
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for epoch in (0, 1):
        one, two = (
            torch.load(work / f'rank{rank}_{epoch}.pt') for rank in (0, 1)
        )
        assert one['world'] == two['world'] == 2
        assert one['backend'] == 'gloo'
        assert len(one['state']) > 100
        for name, value in one['state'].items():
            assert torch.equal(value, two['state'][name]), name
        of_epoch = [
            {i for e, ids in content['seen'] if e == epoch for i in ids}
            for content in (one, two)
        ]
        assert [len(ids) for ids in of_epoch] == [4, 4]
        assert of_epoch[0] | of_epoch[1] == set(range(8))
        assert float(one['draw']) != float(two['draw'])
    first, last = (torch.load(work / f'rank0_{e}.pt')['state'] for e in (0, 1))
    name = 'backbone.conv1.weight'
    assert not torch.equal(first[name], last[name])
    saved = torch.load(work / 'epoch_2.pth', weights_only=False)
    assert torch.equal(saved['state_dict'][name], last[name])
    assert_no_thread_of_gloo(tmp_path)


def test_two_machines_agree_on_weights(tiny, tmp_path):
    (tmp_path / 'dump_hook.py').write_text(HOOK)
    script, config = ROOT / 'tools' / 'dist_train.sh', tiny(EXTRA)
    port = str(free_port())
    running = [
        subprocess.Popen(
            ['bash', script, config, '1', '--work-dir', tmp_path / 'work'],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                'OMP_NUM_THREADS': '1',
                'PYTHON': sys.executable,
                'PYTHONPATH': f'{ROOT}:{tmp_path}',
                'CUDA_VISIBLE_DEVICES': '',
                'NNODES': '2',
                'NODE_RANK': str(rank),
                'PORT': port,
            },
        )
        for rank in (0, 1)
    ]
    for machine in running:
        said, _ = machine.communicate(timeout=240)
        assert machine.returncode == 0, said.decode()[-3000:]
    one, two = (
        torch.load(tmp_path / f'work/rank{rank}_1.pt') for rank in (0, 1)
    )
    assert one['world'] == two['world'] == 2
    assert one['seen'] != two['seen']
    for name, value in one['state'].items():
        assert torch.equal(value, two['state'][name]), name


def test_two_processes_test_as_one_does(process, tmp_path):
    root = write_magnetic_tile(tmp_path / 'tiles')
    recipe = 'anomaly/cutpaste/untrained_resnet18_folder.py'
    options = [
        *('--cfg-options', f'data_root={root}', 'input_size=32'),
        *('randomness.seed=0', 'model.false_alarm_rate=0.1'),
        *(f'{part}_dataloader.num_workers=0' for part in ('fit', 'test')),
    ]

    def run(out, *command, **env):
        path = tmp_path / out
        words = ['--out', path, '--work-dir', tmp_path / path.stem]
        done = process([*command, *words, *options], **env)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(path.read_text())

    tool, config = ROOT / 'tools' / 'test.py', CONFIGS / recipe
    alone = run('one.json', sys.executable, tool, config)
    script = ROOT / 'tools' / 'dist_test.sh'
    both = run(
        'two.json',
        *('bash', script, config, 'none', '2'),
        PORT=free_port(),
        CUDA_VISIBLE_DEVICES='',
    )
    assert both == pytest.approx(alone, rel=1e-4, nan_ok=True)
    assert {'image_auroc', 'pixel_auroc', 'detected'} <= both.keys()
    kept = [kept_in(tmp_path / name) for name in ('one', 'two')]
    assert [row['path'] for row in kept[0]] == [row['path'] for row in kept[1]]
    for ours, theirs in zip(*kept, strict=True):
        assert ours['score'] == pytest.approx(theirs['score'], rel=1e-4)
        assert ours['truth'] == theirs['truth']


def kept_in(folder):
    [file] = folder.glob('*/predictions.json')
    return json.loads(file.read_text())['images']


def test_two_processes_train_a_detector_that_is_frozen_at_first(
    process, tmp_path
):
    root = write_magnetic_tile(tmp_path / 'tiles')
    recipe = 'cutpaste-3way_lite0_cpu_folder.py'
    options = {
        **tiny_options(root),
        'optim_wrapper.type': 'OptimWrapper',
        'model.backbone.model_name': 'test_efficientnet',
        'model.backbone.weights': None,
        'model.in_channels': 256,
        'custom_hooks.4.epochs': 1,
    }
    (tmp_path / 'sitecustomize.py').write_text(AT_EXIT)
    done = process(
        [
            *(sys.executable, '-m', 'torch.distributed.run'),
            *('--nproc_per_node', 2, '--master_port', free_port()),
            *(ROOT / 'tools/one_class.py', RECIPES / recipe),
            *('--work-dir', tmp_path / 'work'),
            *('--cfg-options', *(f'{k}={v}' for k, v in options.items())),
        ],
        PYTHONPATH=f'{ROOT}:{tmp_path}',
        CUDA_VISIBLE_DEVICES='',
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert_no_thread_of_gloo(tmp_path)
    result = json.loads((tmp_path / 'work/all/result.json').read_text())
    assert result['images'] == 6
    model = load_model(tmp_path / 'work/all/model.safetensors').model
    trained = torch.load(
        tmp_path / 'work/all/train/epoch_2.pth', weights_only=False
    )['state_dict']
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(value, trained[f'backbone.{key}'])


def test_slurm_starts_the_training_on_all_nodes(process, tmp_path):
    srun = tmp_path / 'bin' / 'srun'
    srun.parent.mkdir()
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    script = ROOT / 'tools' / 'slurm_train.sh'
    done = process(
        ['bash', script, 'gpus', 'steel', 'cfg.py', '--amp'],
        GPUS=16,
        PATH=f'{srun.parent}:{os.environ["PATH"]}',
    )
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()
    for word in ('--job-name=steel', '--ntasks=16', '--ntasks-per-node=8'):
        assert word in words
    tail = words[words.index('-u') :]
    assert tail[1].endswith('tools/train.py')
    assert tail[2:] == ['cfg.py', '--launcher', 'slurm', '--amp']


def test_the_script_needs_a_config_and_a_number(process):
    done = process(['bash', ROOT / 'tools' / 'dist_train.sh'])
    assert done.returncode != 0
    assert 'unbound variable' in done.stderr
