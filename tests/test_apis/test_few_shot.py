"""The few-shot protocol against a second implementation of it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from mmcvgssl.apis import few_shot, load_config
from mmcvgssl.apis.few_shot import FewShot
from mmcvgssl.apis.few_shot_model import save_classifier
from mmcvgssl.evaluation.few_shot import draw_seed, draw_shots, features
from mmcvgssl.models.teachers import TimmTeacher
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import KeyMismatchError
from tests.data import CLASSES

FAST = {'few_shot.schedule': {'epochs': 3, 'lr': 0.01}}


@pytest.fixture
def student(tiny_classes, tmp_path) -> Path:
    """Save a student with weights and statistics of its own."""
    cfg = load_config(tiny_classes)
    torch.manual_seed(7)
    backbone = MODELS.build({**cfg.model.backbone, '_scope_': 'mmpretrain'})
    backbone.train()
    backbone(torch.randn(8, 3, 32, 32))
    state = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    file = tmp_path / 'student.pth'
    torch.save({'state_dict': state}, file)
    return file


@pytest.fixture
def teacher_weights(tmp_path) -> Path:
    torch.manual_seed(8)
    made = TimmTeacher('test_efficientnet', allow_random=True)
    file = tmp_path / 'teacher.pth'
    torch.save(made.tower.state_dict(), file)
    return file


def by_hand(config, encode, size, interpolation, shots, seed) -> tuple:
    """The published probe, from the files on."""
    root, sets = Path(load_config(config).data_root), {}
    for part in ('train', 'test'):
        paths, labels, rows = [], [], []
        for label, name in enumerate(CLASSES):
            for path in sorted((root / part / name).iterdir()):
                bgr = cv2.imread(str(path))
                rgb = cv2.resize(bgr, size, interpolation=interpolation)
                rgb = torch.tensor(rgb[..., ::-1].copy()).permute(2, 0, 1)
                row = encode(rgb[None].float())[0].double()
                rows.append((row / row.square().sum().sqrt()).numpy())
                paths.append(str(path))
                labels.append(label)
        sets[part] = paths, np.array(labels), np.array(rows)
    paths, labels, rows = sets['train']
    generator, drawn = np.random.RandomState(seed), []
    for label in range(len(CLASSES)):
        of_class = np.where(labels == label)[0]
        drawn += list(generator.choice(of_class, shots, replace=False))
    model = LogisticRegression(C=100, max_iter=2000)
    model.fit(rows[drawn], labels[drawn])
    _, truth, test = sets['test']
    return 100 * (model.predict(test) == truth).mean(), [
        paths[i] for i in drawn
    ]


def check_by_hand(content, config, encode, size, interpolation) -> None:
    for shots in (1, 2):
        entry = content['shots'][str(shots)]
        assert len(entry['runs']) == 3
        for run in range(3):
            accuracy, drawn = by_hand(
                config,
                encode,
                size,
                interpolation,
                shots,
                draw_seed(5, run),
            )
            assert entry['runs'][run] == pytest.approx(accuracy)
            assert [Path(p).resolve() for p in entry['draws'][run]] == [
                Path(p).resolve() for p in drawn
            ]
        assert entry['mean'] == pytest.approx(np.mean(entry['runs']))
        assert entry['std'] == pytest.approx(np.std(entry['runs']))


def test_probe_of_a_student_is_the_published_protocol(
    tiny_classes, student, tmp_path
):
    cfg = load_config(tiny_classes)
    FewShot(cfg, str(student), seed=5).run([1, 2], 3, tmp_path / 'out')
    content = json.loads((tmp_path / 'out' / 'few_shot.json').read_text())
    assert content['mode'] == 'probe'
    backbone = MODELS.build({**cfg.model.backbone, '_scope_': 'mmpretrain'})
    state = torch.load(student)['state_dict']
    backbone.load_state_dict(
        {k.removeprefix('backbone.'): v for k, v in state.items()}
    )
    backbone.eval()

    @torch.no_grad()
    def encode(rgb):
        return backbone((rgb - 127.5) / 127.5)[-1].mean(dim=(2, 3))

    check_by_hand(content, tiny_classes, encode, (32, 32), cv2.INTER_LINEAR)


def test_probe_of_the_teacher_takes_its_own_size(
    tiny_classes, teacher_weights, tmp_path
):
    cfg = load_config(
        tiny_classes,
        {
            'model.teachers.0.weights': str(teacher_weights),
            'model.teachers.0.input_size': 48,
        },
    )
    FewShot(cfg, 'teacher', seed=5).run([1, 2], 3, tmp_path / 'out')
    content = json.loads((tmp_path / 'out' / 'few_shot.json').read_text())
    assert content['size'] == [48, 48]
    teacher = MODELS.build(cfg.model.teachers[0].to_dict())

    def encode(rgb):
        return teacher(rgb / 255)

    check_by_hand(content, tiny_classes, encode, (48, 48), cv2.INTER_CUBIC)


def test_deep_images_are_read_by_the_range_of_the_training_list(
    tiny_classes, student, tmp_path
):
    """Brighter images to test on change nothing, and are clipped."""
    root = tmp_path / 'images'
    for part, factor in (('train', 16), ('test', 64)):
        lines = []
        for path in sorted((root / part).glob('*/*.png')):
            grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(path), grey.astype(np.uint16) * factor)
            label = CLASSES.index(path.parent.name)
            lines.append(f'{path.relative_to(root)} {label}\n')
        (root / f'{part}.txt').write_text(''.join(lines))
    cfg = load_config(tiny_classes)
    for part in ('train', 'test'):
        lists = dict(ann_file=str(root / f'{part}.txt'), data_prefix='')
        cfg.few_shot[part].update(lists)
    content = FewShot(cfg, str(student))
    assert cfg.depth_range == (0, 4095)
    for data_set in (content.train, content.test):
        assert data_set.pipeline.transforms[0].depth_range == (0, 4095)
    seen = content.test[0]
    deep = cv2.imread(seen['data_samples'].img_path, cv2.IMREAD_UNCHANGED)
    grey = np.rint(np.clip(deep, 0, 4095) / 4095 * 255).astype(np.uint8)
    expected = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(seen['inputs'][0].numpy(), expected)
    content.run([1], 1, tmp_path / 'out')
    written = json.loads((tmp_path / 'out' / 'few_shot.json').read_text())
    assert written['depth_range'] == [0, 4095]


@pytest.mark.parametrize('mode', ['finetune', 'linear', 'probe'])
def test_runs_repeat_and_are_taken_up(
    tiny_classes, student, tmp_path, mode, monkeypatch
):
    cfg = load_config(tiny_classes, FAST)
    out = tmp_path / 'whole'
    FewShot(cfg, str(student), mode).run([1, 2], 2, out)
    whole = json.loads((out / 'few_shot.json').read_text())
    assert (out / 'few_shot.png').stat().st_size > 0
    assert '2-shot' in (out / 'few_shot.md').read_text()
    # in two parts, with a call that has nothing left to do
    calls, learn = [], FewShot._learn

    def count(self, drawn, seed):
        calls.append((len(drawn), seed))
        return learn(self, drawn, seed)

    monkeypatch.setattr(FewShot, '_learn', count)
    parts = tmp_path / 'parts'
    for shots, runs in (([1], 1), ([1, 2], 2), ([1, 2], 2)):
        FewShot(cfg, str(student), mode).run(shots, runs, parts)
    assert calls == [(3, 0), (3, 1), (6, 0), (6, 1)]
    assert json.loads((parts / 'few_shot.json').read_text()) == whole


def test_finetuning_moves_the_backbone_of_a_copy(
    tiny_classes, student, tmp_path, monkeypatch
):
    seen = []
    train = few_shot.train_classifier

    def watch(model, inputs, *args, **kwargs):
        before = model[0].backbone.conv1.weight.detach().clone()
        accuracies = train(model, inputs, *args, **kwargs)
        after = model[0].backbone.conv1.weight.detach()
        seen.append((tuple(inputs.shape), not torch.equal(before, after)))
        return accuracies

    monkeypatch.setattr(few_shot, 'train_classifier', watch)
    protocol = FewShot(
        load_config(tiny_classes, FAST), str(student), 'finetune'
    )
    start = protocol.encoder.backbone.conv1.weight.detach().clone()
    protocol.run([2], 2, tmp_path / 'out')
    assert seen == [((6, 3, 32, 32), True)] * 2
    assert torch.equal(protocol.encoder.backbone.conv1.weight, start)


def test_linear_trains_the_last_layer_alone(
    tiny_classes, student, tmp_path, monkeypatch
):
    seen = []

    def watch(model, inputs, *_, **__):
        seen.append((type(model).__name__, tuple(inputs.shape)))
        return [50.0]

    monkeypatch.setattr(few_shot, 'train_classifier', watch)
    cfg = load_config(tiny_classes)
    FewShot(cfg, str(student), 'linear').run([2], 1, tmp_path / 'out')
    assert seen == [('Linear', (6, 64))]


def test_random_weights_follow_the_seed(tiny_classes):
    cfg = load_config(tiny_classes)
    weights = [
        FewShot(cfg, 'none', seed=seed).encoder.backbone.conv1.weight
        for seed in (0, 0, 1)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize('mode', ['linear', 'finetune'])
def test_the_best_epoch_is_reported_beside_the_last(
    tiny_classes, student, tmp_path, mode
):
    cfg = load_config(tiny_classes, FAST)
    out = tmp_path / 'out'
    FewShot(cfg, str(student), mode, report_best=True).run([2], 2, out)
    entry = json.loads((out / 'few_shot.json').read_text())['shots']['2']
    for last, best in zip(
        entry['runs'], entry['best_epoch_on_test'], strict=True
    ):
        assert best >= last
    plain = tmp_path / 'plain'
    FewShot(cfg, str(student), mode).run([2], 2, plain)
    other = json.loads((plain / 'few_shot.json').read_text())['shots']['2']
    assert other['runs'] == entry['runs']
    assert 'optimistic' in (out / 'few_shot.md').read_text()
    assert 'optimistic' not in (plain / 'few_shot.md').read_text()


@pytest.mark.parametrize(
    'change',
    [
        {'seed': 1},
        {'mode': 'linear'},
        {'size': 24},
        {'checkpoint': 'none'},
    ],
)
def test_runs_of_other_settings_are_done_anew_beside_the_old(
    tiny_classes, student, tmp_path, change
):
    cfg, out = load_config(tiny_classes), tmp_path / 'out'
    settings = {'checkpoint': str(student), 'mode': 'probe', 'seed': 0}
    FewShot(cfg, **settings).run([1], 1, out)
    before = (out / 'few_shot.json').read_text()
    FewShot(cfg, **{**settings, **change}).run([1], 2, out)
    content = json.loads((out / 'few_shot.json').read_text())
    assert len(content['shots']['1']['runs']) == 2
    (kept,) = (out / 'earlier').glob('*/few_shot.json')
    assert kept.read_text() == before
    assert (kept.parent / 'few_shot.png').is_file()
    # and back again: nothing is lost
    FewShot(cfg, **settings).run([1], 1, out)
    assert (out / 'few_shot.json').read_text() == before


@pytest.mark.parametrize(
    ('options', 'kwargs', 'error', 'message'),
    [
        ({}, {'mode': 'guess'}, ValueError, "got 'guess'"),
        ({'few_shot': None}, {}, ValueError, 'no `few_shot` section'),
        (
            {},
            {'checkpoint': 'teacher', 'mode': 'finetune'},
            ValueError,
            '--mode probe or linear',
        ),
        (
            {'model.teachers': []},
            {'checkpoint': 'teacher'},
            ValueError,
            'no teachers',
        ),
        ({}, {'checkpoint': 'gone.pth'}, FileNotFoundError, r'gone\.pth'),
        (
            {'model.backbone.base_channels': 16},
            {'checkpoint': 'student'},
            KeyMismatchError,
            r'layer1\.0\.conv1\.weight',
        ),
        (
            {'model.backbone.depth': 34},
            {'checkpoint': 'student'},
            KeyMismatchError,
            'the model misses',
        ),
        (
            {'few_shot.train.data_prefix': 'nowhere'},
            {},
            FileNotFoundError,
            'no folder .*nowhere',
        ),
    ],
)
def test_what_cannot_be_is_said(
    tiny_classes, student, options, kwargs, error, message
):
    kwargs = {'checkpoint': 'none', **kwargs}
    if kwargs['checkpoint'] == 'student':
        kwargs['checkpoint'] = str(student)
    cfg = load_config(tiny_classes, options)
    with pytest.raises(error, match=message):
        FewShot(cfg, **kwargs)


def test_too_few_images_are_said_before_any_work(tiny_classes, tmp_path):
    protocol = FewShot(load_config(tiny_classes), 'none')
    with pytest.raises(ValueError, match=r'7 images.*dent has 6'):
        protocol.run([1, 7], 1, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_classes_without_a_training_image_are_said(tiny_classes, tmp_path):
    lists = {'train': '', 'test': ''}
    for label, name in enumerate(CLASSES):
        for i in range(2):
            lists['test'] += f'test/{name}/{i:02d}.png {label}\n'
            if label < 2:
                lists['train'] += f'train/{name}/{i:02d}.png {label}\n'
    options = {}
    for part, text in lists.items():
        (tmp_path / 'images' / f'{part}.txt').write_text(text)
        options[f'few_shot.{part}.ann_file'] = f'{part}.txt'
        options[f'few_shot.{part}.data_prefix'] = ''
    with pytest.raises(ValueError, match=r'classes \[2\] of the test set'):
        FewShot(load_config(tiny_classes, options), 'none')


def test_standardised_features_know_no_test_image(tiny_classes, student):
    made = FewShot(load_config(tiny_classes), str(student), standardize=True)
    train, test = made.extract()
    np.testing.assert_allclose(np.linalg.norm(train, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(test, axis=1), 1, atol=1e-5)
    network = made.standardized
    rows = features.extract(network.join, made.train, made.device)
    np.testing.assert_allclose(network.mean, rows.mean(0), rtol=1e-4)
    std = rows.std(0)
    std[std == 0] = 1  # constant features
    np.testing.assert_allclose(network.std, std, rtol=1e-3)


def test_a_network_that_is_trained_is_not_standardised(tiny_classes):
    cfg = load_config(tiny_classes)
    with pytest.raises(
        ValueError, match='use mode probe, linear or propagation'
    ):
        FewShot(cfg, 'none', 'finetune', standardize=True)


def test_propagation_learns_from_the_rest_of_the_list(
    tiny_classes, student, tmp_path
):
    cfg = load_config(tiny_classes)
    protocol = FewShot(cfg, str(student), 'propagation', seed=5)
    results = protocol.run([1], 2, tmp_path / 'out')
    train, test = protocol.extract()
    for run in range(2):
        drawn = draw_shots(protocol.labels, 1, draw_seed(5, run))
        others = np.delete(train, drawn, axis=0)
        model = few_shot.fit_probe(
            train[drawn], protocol.labels[drawn], others
        )
        own = few_shot.accuracy(model, test, protocol.test_labels)
        entry = results.data['shots']['1']
        assert entry['runs'][run] == own
        assert 0 <= entry['balanced'][run] <= 100
    assert 'balanced accuracy' in results.table()
    # a probe's results lie elsewhere in `earlier`
    FewShot(cfg, str(student), 'probe', seed=5).run([1], 1, tmp_path / 'out')
    assert len([*(tmp_path / 'out/earlier').iterdir()]) == 1


@pytest.mark.parametrize('draw', ['random', 'kmeans', 'rounds'])
def test_labels_are_chosen_by_features(tiny_classes, student, tmp_path, draw):
    """As many in all; other draws in the same folder are kept apart."""
    cfg, out = load_config(tiny_classes), tmp_path / 'out'
    FewShot(cfg, str(student)).run([1], 2, out)
    protocol = FewShot(cfg, str(student), draw=draw)
    results = protocol.run([1, 2], 2, out)
    assert results.data['draw'] == draw
    assert (out / 'earlier').is_dir()
    assert f'probe, student.pth, {draw}' in results.table()
    for shots in (1, 2):
        entry = results.data['shots'][str(shots)]
        for run, drawn in enumerate(entry['draws']):
            rows = protocol.drawn(shots, draw_seed(0, run))
            assert len({*drawn}) == shots * len(CLASSES) == len(rows)


def test_a_draw_without_a_class_is_measured_but_not_saved(
    tiny_classes, student, tmp_path, monkeypatch
):
    protocol = FewShot(load_config(tiny_classes), str(student), draw='kmeans')
    one = np.flatnonzero(protocol.labels == 1)[: len(CLASSES)]
    monkeypatch.setattr(few_shot, 'draw_labelled', lambda *_: one)
    results = protocol.run([1], 1, tmp_path / 'out')
    share = 100 * (protocol.test_labels == 1).mean()
    assert results.data['shots']['1']['runs'] == [pytest.approx(share)]
    with pytest.raises(ValueError, match=f'has none of {CLASSES[0]}'):
        save_classifier(protocol, tmp_path / 'x.safetensors', (1, 0))


def test_runs_depend_on_how_deep_images_are_read(
    tiny_classes, student, tmp_path
):
    for path in (tmp_path / 'images').glob('*/*/*.png'):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(path), grey.astype(np.uint16) * 16)
    out = tmp_path / 'out'

    def run(top: int, runs: int) -> list:
        cfg = load_config(tiny_classes, {'depth_range': (0, top)})
        FewShot(cfg, str(student)).run([1], runs, out)
        content = json.loads((out / 'few_shot.json').read_text())
        assert content['depth_range'] == [0, top]
        return content['shots']['1']['runs']

    assert len(run(4095, 1)) == 1
    assert len(run(500, 2)) == 2
    (kept,) = (out / 'earlier').glob('*/few_shot.json')
    assert json.loads(kept.read_text())['depth_range'] == [0, 4095]
