"""Batches travel to a GPU without being waited for."""

import pytest
import torch
from mmengine.runner import Runner

from mmcvgssl.apis import build_runner, load_config
from mmcvgssl.runner.transfers import pinned
from tests.data import tiny_config
from tests.surfaces import write_surfaces


def ready(tmp_path):
    images = write_surfaces(tmp_path / 'images', count=4)
    cfg = load_config(tiny_config(tmp_path / 'configs', images, head=False))
    cfg.work_dir = str(tmp_path / 'out')
    return build_runner(cfg)


@pytest.mark.parametrize('cuda', [True, False])
def test_batches_are_pinned_where_there_is_a_gpu(tmp_path, monkeypatch, cuda):
    runner, given = ready(tmp_path), []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    monkeypatch.setattr(
        Runner,
        'build_dataloader',
        staticmethod(lambda loader, *_, **__: given.append(dict(loader))),
    )
    cfg = runner.cfg.train_dataloader
    runner.build_dataloader(cfg)
    assert given[0].get('pin_memory') == (True if cuda else None)
    # what is written down goes on anywhere
    assert 'pin_memory' not in cfg


def test_a_loader_that_says_so_is_not_pinned():
    assert pinned({'pin_memory': False}) == {'pin_memory': False}


def test_copies_do_not_wait(tmp_path, monkeypatch):
    preprocessor = ready(tmp_path).model.data_preprocessor
    asked = []
    copy = torch.Tensor.to

    def to(self, *args, **kwargs):
        asked.append(kwargs.get('non_blocking'))
        return copy(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, 'to', to)
    image = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    preprocessor(dict(inputs=[image], data_samples=[]), True)
    assert asked
    assert asked[0] is True
