"""TorchScript archives are read for their weights; none of their code runs."""

import pickle
import warnings
import zipfile

import pytest
import torch
from torch import nn

from mmcvgssl.weights import WeightsError
from mmcvgssl.weights.torchscript import is_torchscript, read_torchscript


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.scale = nn.Parameter(torch.arange(4.0))
        self.register_buffer('shift', torch.ones(4, dtype=torch.int64))
        self.plain = torch.ones(3)  # neither parameter nor buffer

    def forward(self, x):
        return self.norm(x) * self.scale + self.shift


def net() -> nn.Module:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Dropout(0.1))
    return nn.Sequential(Block(), inner, nn.BatchNorm1d(4), Block())


@pytest.fixture(params=['script', 'trace', 'half'])
def archive(request, tmp_path):
    path = tmp_path / 'net.pt'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        if request.param == 'script':
            torch.jit.script(net()).save(str(path))
        else:
            kind = torch.float16 if request.param == 'half' else torch.float32
            example = torch.ones(2, 4, dtype=kind)
            model = net().eval().to(kind)
            torch.jit.trace(model, example, check_trace=False).save(str(path))
    return path


def rewrite(path, change, method=zipfile.ZIP_STORED):
    """Write an archive anew, its members changed."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, 'w', method) as new:
        for name, data in change(members).items():
            new.writestr(name, data)


def test_the_weights_are_those_that_torch_reads(archive):
    assert is_torchscript(archive)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        expected = torch.jit.load(str(archive)).state_dict()
    state = read_torchscript(archive)
    assert [*state] == [*expected]
    for key, value in expected.items():
        assert state[key].dtype == value.dtype
        assert torch.equal(state[key], value)


class Call:
    def __reduce__(self):
        import os

        return os.system, ('touch called',)


def replaced(part, data):
    def change(members):
        return {
            name: data if name.endswith(part) else content
            for name, content in members.items()
        }

    return change


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (replaced('data.pkl', pickle.dumps(Call())), 'it names'),
        (replaced('data.pkl', pickle.dumps([1])), 'holds no modules'),
        (replaced('data.pkl', b''), 'EOFError'),
        (replaced('data/0', b''), 'storage 0 is too short'),
        (lambda m: {k: v for k, v in m.items() if '/data/' not in k}, 'data/'),
    ],
)
def test_other_archives_end_in_a_sentence(
    archive, change, expected, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rewrite(archive, change)
    with pytest.raises(WeightsError, match=expected) as caught:
        read_torchscript(archive)
    assert str(archive) in str(caught.value)
    assert '\n' not in str(caught.value)
    assert not (tmp_path / 'called').exists()


def test_numbers_are_not_compressed(archive):
    big = replaced('data/0', b'\0' * 10**6)
    rewrite(archive, big, zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match='more bytes than the file'):
        read_torchscript(archive)


@pytest.mark.parametrize('share', [0.3, 0.9])
def test_a_cut_off_archive_is_none(archive, share):
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    assert not is_torchscript(archive)
    with pytest.raises(WeightsError, match='cannot be read'):
        read_torchscript(archive)
