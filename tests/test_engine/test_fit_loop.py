"""Map generators are fitted by a loop, once."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from torch import nn

from mmcvgssl.datasets import ImageList
from mmcvgssl.datasets.reading import TooManyUnreadableError
from mmcvgssl.engine import FitLoop, fit
from mmcvgssl.engine.fit_loader import fit_loader
from mmcvgssl.engine.fit_loop import fit_loop
from mmcvgssl.locks import FolderInUseError, locked
from mmcvgssl.models.anomaly import FittedStateError, MahalanobisAD, MuSc
from tests.data import picture
from tests.test_models.test_anomaly import SIDE, LocalTeacher

PIPELINE = [
    dict(type='mmcvgssl.LoadImage'),
    dict(type='mmcvgssl.SquareResize', input_size=SIDE),
    dict(type='mmpretrain.PackInputs'),
]


def write_images(folder, names) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        picture(i, SIDE).save(folder / f'{name}.png')
    lines = ''.join(f'{name}.png\n' for name in names)
    (folder / 'list.txt').write_text(lines)


def loader(folder, **options) -> dict:
    data_set = dict(
        type='mmcvgssl.ImageList',
        data_root=str(folder),
        list_file=str(folder / 'list.txt'),
        pipeline=PIPELINE,
    )
    return dict(batch_size=4, dataset=data_set, **options)


def runner(tmp_path, model=None, **config):
    """What a Runner shows to loops."""
    init_default_scope('mmpretrain')
    cfg = Config(dict(model=dict(type='mmcvgssl.MahalanobisAD'), **config))
    return SimpleNamespace(
        model=MahalanobisAD(LocalTeacher()) if model is None else model,
        cfg=cfg,
        work_dir=str(tmp_path / 'work'),
        logger=logging.getLogger('mmcvgssl'),
    )


def test_the_models_seed_draws_the_images_it_learns_from(tmp_path):
    write_images(tmp_path, 'abcdefghijkl')
    drawn = [
        fit_loader(
            loader(tmp_path), MuSc(LocalTeacher(), 5, seed=seed)
        ).dataset.indices
        for seed in (0, 0, 7)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    random = torch.Generator().manual_seed(0)
    first = torch.randperm(12, generator=random)[:5].sort().values
    assert drawn[0] == first.tolist()


def test_a_state_is_read_where_it_belongs_to_the_images(tmp_path):
    images, file = tmp_path / 'images', tmp_path / 'work/fitted.safetensors'
    write_images(images, 'abcdef')
    data = dict(fit_dataloader=loader(images))
    first = fit(runner(tmp_path, **data))
    assert first.fitted
    written = file.stat().st_mtime_ns
    assert fit(runner(tmp_path, **data)).fingerprint() == first.fingerprint()
    assert file.stat().st_mtime_ns == written
    (images / 'list.txt').write_text('a.png\nb.png\n')
    other = fit(runner(tmp_path, **data))
    assert other.fingerprint() != first.fingerprint()
    assert len(list(tmp_path.glob('work/earlier/*/fitted.safetensors'))) == 1


def test_options_of_the_loop_are_those_of_fit_cfg(tmp_path):
    write_images(tmp_path / 'images', 'abcd')
    data = dict(fit_dataloader=loader(tmp_path / 'images'))
    kind = dict(type='mmcvgssl.FitLoop', state=str(tmp_path / 'x.safetensors'))
    loop = fit_loop(runner(tmp_path, fit_cfg=ConfigDict(kind), **data))
    assert isinstance(loop, FitLoop)
    loop.run()
    assert (tmp_path / 'x.safetensors').is_file()
    kind.update(must_exist=True)
    read = fit(runner(tmp_path, fit_cfg=kind, **data))
    assert read.fingerprint() == loop.model.fingerprint()
    assert read.provenance.digest == loop.provenance.digest
    other = MahalanobisAD(LocalTeacher(), ridge=0.5)
    with pytest.raises(FittedStateError, match='ridge'):
        fit(runner(tmp_path, other, fit_cfg=kind, **data))


@pytest.mark.parametrize(
    ('model', 'error', 'word'),
    [
        (nn.Linear(1, 1), TypeError, 'got Linear'),
        (None, ValueError, 'no `fit_dataloader`'),
    ],
)
def test_what_cannot_be_fitted_is_said(tmp_path, model, error, word):
    with pytest.raises(error, match=word):
        fit(runner(tmp_path, model))


def test_an_interrupted_fit_goes_on_with_its_own_images_alone(
    tmp_path, monkeypatch
):
    for name, names in (('one', 'abcdefghij'), ('two', 'klmnopqr')):
        write_images(tmp_path / name, names)
    data = {
        name: dict(fit_dataloader=loader(tmp_path / name))
        for name in ('one', 'two')
    }
    get, reads = ImageList.__getitem__, []

    def read(images: ImageList, i: int) -> dict:
        if reads[-1] == stop:
            raise OSError('gone')
        reads[-1] += 1
        return get(images, i)

    def started(name: str, at: int = 99):
        nonlocal stop
        stop = at
        reads.append(0)
        return fit(runner(tmp_path, **data[name]))

    stop = 0
    monkeypatch.setattr(ImageList, '__getitem__', read)
    partial = tmp_path / 'work/fitted.partial.0.safetensors'
    whole = {name: started(name).fingerprint() for name in data}
    for file in (tmp_path / 'work').rglob('*.safetensors'):
        file.unlink()
    with pytest.raises(OSError, match='gone'):
        started('one', 12)  # the first batch is read for a guess of the mean
    assert partial.is_file()
    # other images: that of the first is kept, and not taken up
    assert started('two').fingerprint() == whole['two']
    assert reads[-1] == 4 + 8
    assert not partial.is_file()
    assert len(list(tmp_path.glob(f'work/earlier/*/{partial.name}'))) == 1
    said: list[str] = []
    monkeypatch.setattr(
        'mmcvgssl.models.anomaly.passes.print_log',
        lambda text, **kwargs: said.append(text),
    )
    assert started('one').fingerprint() == whole['one']
    assert said == [
        'fitting MahalanobisAD: goes on after 8 images of an earlier run'
    ]
    assert reads[-1] == 2
    assert not list(tmp_path.glob('work/*.partial.*'))
    # a run may end after its fit, before it has removed the files
    partial.write_bytes((tmp_path / 'work/fitted.safetensors').read_bytes())
    assert started('one').fingerprint() == whole['one']
    assert reads[-1] == 0
    assert not partial.is_file()


def test_files_are_put_aside_after_a_number_of_seconds(tmp_path):
    with pytest.raises(ValueError, match=r'save_every .* got -1'):
        fit(runner(tmp_path, fit_cfg=dict(save_every=-1)))


def test_two_runs_do_not_fit_to_one_file(tmp_path):
    write_images(tmp_path / 'images', 'abcd')
    data = dict(fit_dataloader=loader(tmp_path / 'images'))
    work = tmp_path / 'work'
    with (
        locked(work, '.fitted.safetensors.in_use'),
        pytest.raises(FolderInUseError, match='another run'),
    ):
        fit(runner(tmp_path, **data))
    # other files of the folder may be another run's
    with locked(work):
        assert fit(runner(tmp_path, **data)).fitted


@pytest.mark.parametrize('most', [0.1, 0.3])
def test_unreadable_images_count_in_a_fit_that_goes_on(
    tmp_path, monkeypatch, most
):
    images = tmp_path / 'images'
    write_images(images, 'abcdefghijklmnopqrst')
    for name in 'bct':
        (images / f'{name}.png').write_bytes(b'broken')
    data = dict(fit_dataloader=loader(images))
    data['fit_dataloader']['dataset']['max_unreadable'] = most
    get, bad = ImageList.__getitem__, [12]

    def read(images: ImageList, i: int) -> dict:
        if i in bad:
            raise OSError('gone')
        return get(images, i)

    monkeypatch.setattr(ImageList, '__getitem__', read)
    with pytest.raises(OSError, match='gone'):
        fit(runner(tmp_path, **data))
    bad.clear()
    if most > 0.15:
        assert fit(runner(tmp_path, **data)).fitted
    else:
        with pytest.raises(TooManyUnreadableError, match='3 of 20'):
            fit(runner(tmp_path, **data))
