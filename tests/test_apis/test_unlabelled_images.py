"""Images without labels beside the labelled ones of a few-shot evaluation."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmcvgssl.apis import few_shot, load_config
from mmcvgssl.apis.few_shot import FewShot
from mmcvgssl.apis.few_shot_model import save_classifier
from mmcvgssl.apis.inference import DefectClassifier
from mmcvgssl.datasets.reading import TooManyUnreadableError
from mmcvgssl.evaluation.few_shot import draw_seed
from mmcvgssl.evaluation.few_shot.features import paths_of
from mmcvgssl.evaluation.few_shot.learners import fit_probe
from mmcvgssl.model_file import load_model
from mmcvgssl.models.classifiers import Standardized
from tests.data import CLASSES, picture


@pytest.fixture
def free(tiny_classes, tmp_path) -> Path:
    """Write twelve pictures of the same classes, in one folder."""
    folder = tmp_path / 'free'
    folder.mkdir()
    for i in range(12):
        picture(5000 + i, 40).save(folder / f'{i:02d}.png')
    return folder


def propagation(config, free, **options) -> FewShot:
    return FewShot(
        load_config(config), 'none', 'propagation', unlabelled=free, **options
    )


def test_labels_spread_to_them_and_to_undrawn_images(
    tiny_classes, free, tmp_path
):
    protocol = propagation(tiny_classes, free)
    results = protocol.run([1], 2, tmp_path / 'out')
    apart = FewShot(load_config(tiny_classes), 'none', 'propagation')
    train, test = apart.extract()
    names = sorted(str(path) for path in free.iterdir())
    assert paths_of(protocol.unlabelled) == names
    more = protocol.extract()[0], protocol._features[2]
    assert np.allclose(more[0], train, atol=1e-6)
    assert len(more[1]) == len(names)
    for run in range(2):
        drawn = protocol.drawn(1, draw_seed(0, run))
        others = np.concatenate([np.delete(train, drawn, axis=0), more[1]])
        assert np.allclose(protocol.others(drawn), others, atol=1e-6)
        learned = fit_probe(train[drawn], protocol.labels[drawn], others)
        hits = learned.predict(
            test / np.linalg.norm(test, axis=1, keepdims=True)
        )
        share = 100 * (hits == protocol.test_labels).mean()
        entry = results.data['shots']['1']
        assert entry['runs'][run] == pytest.approx(share)
    assert results.data['n_unlabelled'] == len(names)


def test_features_are_standardised_over_them(tiny_classes, free):
    protocol = propagation(tiny_classes, free, standardize=True)
    protocol.extract()
    network = protocol.standardized
    assert isinstance(network, Standardized)
    plain = propagation(tiny_classes, free)
    plain.extract()
    train, _, others = plain._features
    rows = np.concatenate([train, others]).astype(float)
    assert np.allclose(network.mean, rows.mean(0), atol=1e-5)
    scaled = (rows - rows.mean(0)) / np.where(rows.std(0) > 0, rows.std(0), 1)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    found = np.concatenate([protocol._features[0], protocol._features[2]])
    assert np.allclose(found, scaled, atol=1e-3)


def test_images_of_other_sets_and_copies_of_them_are_left_out(
    tiny_classes, free
):
    root = Path(load_config(tiny_classes).data_root)
    tested, learned = (
        sorted((root / part).rglob('*.png')) for part in ('test', 'train')
    )
    shutil.copy(tested[0], free / 'copy_of_tested.png')
    shutil.copy(learned[0], free / 'copy_of_learned.png')
    (free / 'link.png').symlink_to(tested[1])
    protocol = propagation(tiny_classes, free)
    assert len(protocol.unlabelled) == 12
    paths = {Path(path).name for path in paths_of(protocol.unlabelled)}
    assert not paths & {'copy_of_tested.png', 'copy_of_learned.png'}

    everything = propagation(tiny_classes, free.parent)
    used = {*paths_of(everything.unlabelled)}
    assert not used & {str(path) for path in (*tested, *learned)}


def test_what_is_left_out_is_said(tiny_classes):
    root = Path(load_config(tiny_classes).data_root)
    with pytest.raises(ValueError, match='no images without labels') as error:
        propagation(tiny_classes, root)
    assert 'to be tested on: ' in str(error.value)
    assert 'labelled: ' in str(error.value)


def test_a_list_names_them(tiny_classes, free, tmp_path):
    file = tmp_path / 'some.txt'
    file.write_text('free/03.png\nfree/04.png\n')
    protocol = propagation(tiny_classes, file)
    names = [Path(path).name for path in paths_of(protocol.unlabelled)]
    assert names == ['03.png', '04.png']
    file.write_text('free/03.png\nfree/none.png\n')
    with pytest.raises(FileNotFoundError, match=r'free/none\.png'):
        propagation(tiny_classes, file)
    with pytest.raises(FileNotFoundError, match='expected an image, a folder'):
        propagation(tiny_classes, tmp_path / 'nothing')


def test_those_that_cannot_be_read_are_left_out(tiny_classes, free, warned):
    broken = b'\x89PNG\r\n\x1a\n' + bytes(40)
    (free / '05.png').write_bytes(broken)
    protocol = propagation(tiny_classes, free)
    names = [Path(path).name for path in paths_of(protocol.unlabelled)]
    assert len(names) == 11
    assert '05.png' not in names
    assert '05.png' in ''.join(warned())
    assert len(protocol.extract()) == 2
    for name in ('06.png', '07.png'):
        (free / name).write_bytes(broken)
    with pytest.raises(TooManyUnreadableError, match='of 12'):
        propagation(tiny_classes, free)


def test_other_modes_have_no_use_for_them(tiny_classes, free):
    with pytest.raises(ValueError, match='are for mode propagation'):
        FewShot(load_config(tiny_classes), 'none', 'probe', unlabelled=free)


def test_runs_with_other_images_are_done_anew(tiny_classes, free, tmp_path):
    out = tmp_path / 'out'
    propagation(tiny_classes, free).run([1], 1, out)
    propagation(tiny_classes, free).run([1], 1, out)
    assert not (out / 'earlier').exists()
    (free / '00.png').unlink()
    propagation(tiny_classes, free).run([1], 1, out)
    assert (out / 'earlier').is_dir()


def test_runs_of_other_settings_are_done_anew(
    tiny_classes, tmp_path, monkeypatch
):
    out = tmp_path / 'out'
    cfg = load_config(tiny_classes)
    FewShot(cfg, 'none', 'propagation').run([1], 1, out)
    other = {**few_shot.SETTINGS, 'power': 3}
    monkeypatch.setattr(few_shot, 'SETTINGS', other)
    FewShot(load_config(tiny_classes), 'none', 'propagation').run([1], 1, out)
    assert (out / 'earlier').is_dir()


@pytest.mark.parametrize('standardize', [False, True])
@pytest.mark.parametrize('draw', [None, (2, 1)])
def test_the_saved_classifier_is_the_evaluated_one(
    tiny_classes, free, tmp_path, standardize, draw
):
    protocol = propagation(tiny_classes, free, standardize=standardize)
    file = tmp_path / 'model.safetensors'
    content = save_classifier(protocol, file, draw)
    rows = np.arange(18) if draw is None else protocol.drawn(2, 1)
    assert content.chosen['images'] == len(rows)
    assert content.chosen['unlabelled'] == 12 + 18 - len(rows)
    train, test = protocol.extract()
    learned = fit_probe(
        train[rows], protocol.labels[rows], protocol.others(rows)
    )
    names = [CLASSES[i] for i in learned.predict(_unit(test))]
    paths = paths_of(protocol.test)
    found = DefectClassifier(file, show_progress=False)(paths)
    assert [one.label for one in found] == names
    files = json.dumps(load_model(file).content.provenance)
    assert ('undrawn_unlabelled_images' in files) == (draw is not None)
    assert '"unlabelled_images' in files


def test_a_saved_classifier_needs_images_to_spread_to(tiny_classes, tmp_path):
    protocol = FewShot(load_config(tiny_classes), 'none', 'propagation')
    file = tmp_path / 'model.safetensors'
    with pytest.raises(ValueError, match='give some by --unlabelled'):
        save_classifier(protocol, file)
    content = save_classifier(protocol, file, (1, 0))
    assert content.chosen['unlabelled'] == 15


def test_from_the_command_line(tiny_classes, free, tmp_path, tool):
    file = tmp_path / 'model.safetensors'
    args = [tiny_classes, '--checkpoint', 'none', '--shots', 1, '--runs', 1]
    args += ['--work-dir', tmp_path / 'out', '--unlabelled', free]
    code, _, err = tool('few_shot.py', *args, '--save', file)
    assert code == 1
    assert 'are for mode propagation' in err
    args += ['--mode', 'propagation', '--save', file]
    code, _, err = tool('few_shot.py', *args)
    assert code == 0, err
    assert f'{free}: 12 images without labels; left out: nothing' in err
    assert load_model(file).content.chosen['unlabelled'] == 12


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
