"""Pictures of samples: heatmaps, masks and views."""

import json
import shlex
import uuid
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import VISUALIZERS as HOST
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from PIL import Image

from mmcvgssl.cli.parser import parser_of
from mmcvgssl.registry import HOOKS, VISUALIZERS
from mmcvgssl.visualization.fed_picture import fed_picture
from mmcvgssl.visualization.scalars import read_scalars
from mmcvgssl.visualization.side_by_side import outlined, side_by_side
from tests.data import ROOT

GREY = np.full((8, 12, 3), 100, np.uint8)


def build(kind: str, **options):
    return VISUALIZERS.build(
        dict(type=f'mmcvgssl.{kind}', name=uuid.uuid4().hex, **options)
    )


def sample_of(**fields) -> DataSample:
    sample = DataSample()
    for name, value in fields.items():
        sample.set_field(value, name)
    return sample


@pytest.mark.parametrize(
    ('fields', 'drawn', 'panels'),
    [
        ({}, {}, 1),
        ({'anomaly_map': torch.rand(4, 6)}, {}, 2),
        ({'anomaly_map': torch.rand(1, 4, 6)}, {}, 2),
        ({'anomaly_map': torch.rand(4, 6)}, {'draw_pred': False}, 1),
        ({'gt_mask': torch.ones(16, 24)}, {}, 2),
        ({'gt_mask': torch.ones(16, 24)}, {'draw_gt': False}, 1),
        (
            {'gt_mask': torch.ones(1, 2, 3), 'anomaly_map': torch.rand(4, 6)},
            {},
            3,
        ),
    ],
)
def test_heatmap_and_truth_stand_beside_the_image(fields, drawn, panels):
    options = {'draw_gt': True, 'draw_pred': True, **drawn}
    made = build('AnomalyVisualizer').draw(
        GREY, sample_of(**fields), **options
    )
    assert made.shape == (8, 12 * panels + 4 * (panels - 1), 3)
    np.testing.assert_array_equal(made[:, :12], GREY)


def test_the_threshold_is_the_middle_of_the_colours():
    values = torch.zeros(4, 6)
    values[:, 3:] = 1.0
    visualizer = build('AnomalyVisualizer')

    def brightest(middle):
        sample = sample_of(anomaly_map=values)
        sample.set_metainfo({'map_threshold': middle})
        return visualizer.draw(GREY, sample, True, True)[:, 16:].max()

    assert brightest(0.5) > brightest(2.0)
    # what is anomalous is yellow, in RGB
    sample = sample_of(anomaly_map=values)
    red, _, blue = visualizer.draw(GREY, sample, True, True)[4, -1]
    assert red > blue


def test_a_mask_is_outlined_however_small_it_is():
    mask = np.zeros((800, 1200), np.uint8)
    mask[403, 600] = 1
    drawn = outlined(GREY, mask)
    changed = np.argwhere((drawn != GREY).any(axis=2))
    assert changed.tolist() == [[4, 6]]
    np.testing.assert_array_equal(outlined(GREY, mask * 0), GREY)


def test_strips_stand_below_each_other():
    strip = np.zeros((4, 40, 3), np.uint8)
    assert side_by_side([strip, strip]).shape == (12, 40, 3)
    other = np.zeros((9, 9, 3), np.uint8)
    assert side_by_side([GREY, other]).shape == (8, 28, 3)


def test_views_are_laid_out_with_their_kinds():
    views = [np.full((20, 20, 3), 90 * i, np.uint8) for i in range(3)]
    visualizer = build('ViewsVisualizer', columns=2, side=20)
    plain = visualizer.draw(views, None, True, True)
    assert plain.shape == (58, 58, 3)
    for view, (y, x) in zip(views, ((6, 6), (6, 32), (32, 6)), strict=True):
        np.testing.assert_array_equal(plain[y : y + 20, x : x + 20], view)
    sample = sample_of(view_labels=torch.arange(3))
    assert (visualizer.draw(views, sample, True, True) != plain).any()
    kinds = visualizer.draw(views, sample, False, True)
    np.testing.assert_array_equal(kinds, plain)
    assert visualizer.draw(views[0], None, True, True).shape == (32, 32, 3)
    with pytest.raises(ValueError, match='columns=0'):
        build('ViewsVisualizer', columns=0)


def test_hosts_find_them_and_files_are_written(tmp_path):
    visualizer = HOST.build(
        dict(type='mmcvgssl.AnomalyVisualizer', name=uuid.uuid4().hex)
    )
    image = GREY.copy()
    image[..., 0] = 200  # red
    file = tmp_path / 'deep' / '1.png'
    visualizer.add_datasample('1', image, DataSample(), out_file=str(file))
    assert cv2.imread(str(file))[0, 0].tolist() == [100, 100, 200]


def test_what_a_network_is_fed_with_becomes_a_picture():
    bgr = torch.zeros(3, 2, 2, dtype=torch.uint8)
    bgr[0] = 250  # blue
    assert fed_picture(bgr)[0, 0].tolist() == [0, 0, 250]
    assert fed_picture(bgr, 'rgb')[0, 0].tolist() == [250, 0, 0]
    normal = torch.tensor([[[-2.0, 2.0]]])
    assert fed_picture(normal).tolist() == [[[0] * 3, [255] * 3]]
    assert fed_picture(torch.ones(3, 1, 1)).tolist() == [[[0, 0, 0]]]
    with pytest.raises(ValueError, match=r'got \[4, 2, 2\]'):
        fed_picture(torch.zeros(4, 2, 2))


class Seen:
    """A visualizer that remembers what it is asked to draw."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.pictures: list = []
        self.middles: list = []

    def add_datasample(self, name, image, data_sample, step=0) -> None:
        self.names.append(name)
        self.pictures.append(image)
        self.middles.append(getattr(data_sample, 'map_threshold', None))


def test_some_of_the_tested_images_are_drawn():
    hook = HOOKS.build(dict(type='mmcvgssl.VisualizationHook', interval=3))
    seen = Seen()
    model = SimpleNamespace(map_threshold=torch.tensor(0.5))
    runner = SimpleNamespace(visualizer=seen, model=model, iter=7)
    hook.before_test_epoch(runner)
    for batch in range(2):
        samples = [
            DataSample(metainfo={'img_path': f'a/{2 * batch + i}.png'})
            for i in range(2)
        ]
        inputs = torch.full((2, 3, 4, 4), batch, dtype=torch.uint8)
        hook.after_test_iter(runner, batch, {'inputs': inputs}, samples)
    assert seen.names == ['test_00000_0', 'test_00003_3']
    assert [p.max() for p in seen.pictures] == [0, 1]
    assert seen.middles == [0.5, 0.5]
    with pytest.raises(ValueError, match='interval'):
        HOOKS.build(dict(type='mmcvgssl.VisualizationHook', interval=0))


@pytest.mark.parametrize('collate', ['pseudo_collate', 'default_collate'])
def test_images_that_were_cut_are_drawn_whole(tmp_path, collate):
    for i in range(2):
        pages = [
            Image.fromarray(np.full((64, 96, 3), (40 * i, page, 9), np.uint8))
            for page in range(2)
        ]
        pages[1].putpixel((95, 63), (255, 0, 0))
        file = tmp_path / f'{i}.tif'
        pages[0].save(file, save_all=True, append_images=pages[1:])
    steps = [
        dict(type='mmcvgssl.LoadImage', page=1),
        dict(type='mmcvgssl.SquareResize', input_size=32, tile=32, overlap=0),
        dict(
            type='mmpretrain.PackInputs',
            meta_keys=('img_path', 'tiles'),
        ),
    ]
    images = dict(
        type='mmcvgssl.SurfaceImages',
        data_root=str(tmp_path),
        test_mode=True,
        pipeline=steps,
    )
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=0,
            dataset=dict(type='RepeatDataset', dataset=images, times=1),
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type=collate),
        )
    )
    seen = Seen()
    runner = SimpleNamespace(
        visualizer=seen, model=None, iter=0, test_dataloader=loader
    )
    hook = HOOKS.build(dict(type='mmcvgssl.VisualizationHook', interval=1))
    for batch in loader:
        hook.after_test_iter(runner, 0, batch, batch['data_samples'])
    assert seen.names == ['test_00000_0', 'test_00001_1']
    for i, picture in enumerate(seen.pictures):
        assert picture.shape == (64, 96, 3)
        assert picture[0, 0].tolist() == [40 * i, 1, 9]
        assert picture[63, 95].tolist() == [255, 0, 0]


def logged(folder, run: str, loss: float, epochs, in_epochs: bool = True):
    """Write what a run logs of two iterations an epoch."""
    lines = []
    for epoch in epochs:
        for step in (2 * epoch - 1, 2 * epoch):
            row = {'loss': loss, 'iter': step, 'step': step}
            lines.append({**row, 'epoch': epoch} if in_epochs else row)
        lines.append({'acc': loss, 'step': epoch if in_epochs else step})
    file = folder / run / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text(''.join(f'{json.dumps(line)}\n' for line in lines))


@pytest.mark.parametrize('in_epochs', [True, False])
def test_curves_of_two_trainings_are_not_joined(tmp_path, in_epochs):
    logged(tmp_path, '1', 1.0, range(1, 5), in_epochs)
    logged(tmp_path, '2', 2.0, range(3, 4), in_epochs)  # resumed
    found = read_scalars(tmp_path)
    per = 1 if in_epochs else 2
    assert {s: row['loss'] for s, row in found.training.items()} == {
        **dict.fromkeys((1, 2, 3, 4), 1.0),
        **dict.fromkeys((5, 6), 2.0),
    }
    assert {s: row['acc'] for s, row in found.validation.items()} == {
        **{per: 1.0, 2 * per: 1.0, 3 * per: 2.0}
    }
    assert found.damaged == []
    logged(tmp_path, '3', 3.0, range(1, 2), in_epochs)  # begun anew
    found = read_scalars(tmp_path)
    assert ['this training began anew' in s for s in found.damaged] == [True]
    assert [row['loss'] for row in found.training.values()] == [3.0] * 2
    assert [*found.validation] == [per]


# as a config of a training says it
PICTURES = """
visualizer = dict(type='mmcvgssl.ViewsVisualizer')
custom_hooks = [
    dict(type='mmcvgssl.EpochSeedHook'),
    dict(type='mmcvgssl.VisualizationHook', train_images=2),
]
train_cfg = dict(max_epochs=1)
"""


def documented(backend: str) -> dict[str, str]:
    """Return the option that the documentation gives for a backend."""
    page = (ROOT / 'docs/visualization.md').read_text('utf-8')
    (line,) = [x for x in page.splitlines() if backend in x]
    words = shlex.split(line)
    return parser_of('train').parse_args(['cfg.py', *words]).cfg_options


def test_a_training_draws_its_views_and_logs_to_tensorboard(
    tiny, fit, tmp_path
):
    accumulator = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator'
    )
    fit(tiny(PICTURES), tmp_path / 'run', documented('TensorboardVisBackend'))
    pictures = sorted(tmp_path.glob('run/*/vis_data/vis_image/train_*.png'))
    assert [path.name[:8] for path in pictures] == ['train_00', 'train_01']
    # five views of 32 pixels
    assert cv2.imread(str(pictures[0])).shape == (44, 196, 3)
    events = next(Path(tmp_path / 'run').glob('*/vis_data/events.*'))
    read = accumulator.EventAccumulator(str(events))
    read.Reload()
    losses = [event.value for event in read.Scalars('loss')]
    rows = read_scalars(tmp_path / 'run').training
    assert losses == pytest.approx([row['loss'] for row in rows.values()])
    assert len(read.Tags()['images']) == 2


@pytest.mark.parametrize(
    ('package', 'backend', 'written'),
    [
        ('wandb', 'WandbVisBackend', '*/vis_data/wandb/offline-run-*'),
        ('mlflow', 'MLflowVisBackend', '../mlflow.db'),
    ],
)
def test_a_training_logs_offline(
    tiny, fit, tmp_path, monkeypatch, package, backend, written
):
    pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    fit(tiny(PICTURES), tmp_path / 'run', documented(backend))
    assert [*(tmp_path / 'run').glob(written)]
