"""Two processes learn one model from different images."""

import socket

import torch

from tests.data import ROOT

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


def test_two_processes_agree_on_weights_and_share_the_images(
    tiny, process, tmp_path
):
    (tmp_path / 'dump_hook.py').write_text(HOOK)
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
            {i for e, ids in held['seen'] if e == epoch for i in ids}
            for held in (one, two)
        ]
        assert [len(ids) for ids in of_epoch] == [4, 4]
        assert of_epoch[0] | of_epoch[1] == set(range(8))
        assert float(one['draw']) != float(two['draw'])
    first, last = (torch.load(work / f'rank0_{e}.pt')['state'] for e in (0, 1))
    name = 'backbone.conv1.weight'
    assert not torch.equal(first[name], last[name])
    saved = torch.load(work / 'epoch_2.pth', weights_only=False)
    assert torch.equal(saved['state_dict'][name], last[name])


def test_the_script_needs_a_config_and_a_number(process):
    done = process(['bash', ROOT / 'tools' / 'dist_train.sh'])
    assert done.returncode != 0
    assert 'unbound variable' in done.stderr
