"""The metric as a test loop uses it, in one process and in two."""

import json
import math
import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from mmcvgssl.evaluation import AnomalyMetric, anomaly_table, binary_metrics
from mmcvgssl.registry import METRICS
from tests.test_evaluation.test_anomaly_curves import (
    defects,
    sklearn_metrics,
    slow_aupro,
)

IMAGE = ('image_auroc', 'image_ap', 'image_f1_max')
PIXEL = ('pixel_auroc', 'pixel_ap', 'pixel_f1_max', 'pixel_aupro')


def sample(score, label, anomaly_map=None, mask=None, **meta) -> DataSample:
    made = DataSample()
    made.set_field(torch.tensor(float(score)), 'anomaly_score')
    if anomaly_map is not None:
        made.set_field(torch.as_tensor(anomaly_map), 'anomaly_map')
    if mask is not None:
        made.set_field(mask, 'gt_mask')
    made.set_metainfo(meta)
    return made.set_gt_label(label)


def category(seed: int, name=None, n: int = 8, size=(20, 16)):
    """Make samples, every other one good, with maps of the masks' size."""
    random = np.random.RandomState(seed)
    maps, masks = defects(seed, [size] * n, np.float32)
    samples = []
    for i, (anomaly_map, mask) in enumerate(zip(maps, masks, strict=True)):
        mask = mask * (i % 2)
        label = int(mask.any())
        meta = {'defect': ('crack', 'dent')[i // 2 % 2] if label else 'good'}
        if name:
            meta['category'] = name
        samples.append(
            sample(
                random.randn() + label,
                2 * label,
                anomaly_map,
                # as tensors and as arrays
                torch.from_numpy(mask) if i % 4 else mask,
                **meta,
            )
        )
    return samples


def scores_of(samples):
    scores = np.array([float(s.anomaly_score) for s in samples], np.float32)
    return scores, np.array([int(s.gt_label) > 0 for s in samples])


def expected_metrics(samples, limit=0.3) -> dict[str, float]:
    maps = [s.anomaly_map.numpy() for s in samples]
    masks = [np.asarray(s.gt_mask) for s in samples]
    pixels = sklearn_metrics(np.stack(maps), np.stack(masks) > 0)
    pixels['aupro'] = slow_aupro(maps, masks, limit)
    images = sklearn_metrics(*scores_of(samples))
    return {
        **{f'image_{key}': value for key, value in images.items()},
        **{f'pixel_{key}': value for key, value in pixels.items()},
    }


def evaluate(samples, **options) -> dict[str, float]:
    metric = AnomalyMetric(**options)
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_one_unnamed_category_from_end_to_end(warned):
    samples = category(0)
    config = {'type': 'mmcvgssl.AnomalyMetric', 'fpr_limit': 0.2}
    evaluator = Evaluator(METRICS.build(config))
    for start in range(0, len(samples), 3):
        # mmengine hands on dicts
        evaluator.process(samples[start : start + 3], None)
    metrics = evaluator.evaluate(len(samples))
    assert list(metrics) == [
        *IMAGE,
        *PIXEL,
        'crack/image_auroc',
        'dent/image_auroc',
    ]
    expected = expected_metrics(samples, 0.2)
    assert {k: metrics[k] for k in expected} == pytest.approx(expected)
    for name in ('crack', 'dent'):
        some = [s for s in samples if s.defect in (name, 'good')]
        assert 0 < len(some) < len(samples)
        auroc = binary_metrics(*scores_of(some))['auroc']
        assert metrics[f'{name}/image_auroc'] == pytest.approx(auroc)
    assert all(type(value) is float for value in metrics.values())
    assert not warned()


def test_categories_and_their_mean():
    one, two = category(1, 'bottle'), category(2, 'cable', 6, (12, 30))
    mixed = [s for pair in zip(one, two, strict=False) for s in pair]
    metrics = evaluate([*mixed, *one[6:]])
    parts = {'bottle': expected_metrics(one), 'cable': expected_metrics(two)}
    for key in (*IMAGE, *PIXEL):
        values = [parts[name][key] for name in parts]
        for name in parts:
            value = metrics[f'{name}/{key}']
            assert value == pytest.approx(parts[name][key])
        assert metrics[key] == pytest.approx(np.mean(values))
    defect_keys = [k for k in metrics if k.count('/') == 2]
    assert defect_keys == [
        f'{name}/{defect}/image_auroc'
        for name in ('bottle', 'cable')
        for defect in ('crack', 'dent')
    ]


def test_names_appear_where_they_tell_something():
    assert 'bottle/image_ap' in evaluate(category(0, 'bottle'))
    both = evaluate([*category(0, 'bottle'), *category(1)])
    assert {'bottle/pixel_ap', 'unnamed/pixel_ap'} < set(both)
    assert 'unnamed/crack/image_auroc' in both
    assert set(evaluate(category(0), prefix='test')) == {
        f'test/{key}' for key in evaluate(category(0))
    }


def test_pixels_may_be_left_out():
    samples = [sample(i % 3, i % 2) for i in range(6)]
    assert set(evaluate(samples, pixel=False)) == set(IMAGE)
    with pytest.raises(ValueError, match='image 0: no anomaly_map'):
        evaluate(samples)


def test_results_start_anew_after_each_evaluation():
    metric = AnomalyMetric()
    for seed in (0, 1, 0):
        samples = category(seed)
        metric.process(None, samples)
        found = metric.evaluate(len(samples))
        assert found == evaluate(samples)


def test_a_map_of_another_size_is_resized_to_the_mask():
    samples = category(0, size=(23, 31))
    small = []
    for s in samples:
        large = s.anomaly_map[None, None]
        low = F.interpolate(large, (7, 9), mode='area')
        high = F.interpolate(
            low, (23, 31), mode='bilinear', align_corners=True
        )
        meta = {'defect': s.defect}
        small.append(
            sample(s.anomaly_score, s.gt_label, low[0, 0], s.gt_mask, **meta)
        )
        s.anomaly_map = high[0, 0]
    assert evaluate(small) == evaluate(samples)
    # half precision is read, too
    for s in small:
        s.anomaly_map = s.anomaly_map.bfloat16()
    assert evaluate(small) != evaluate(samples)


def test_without_a_mask_good_images_are_normal_and_others_left_out(warned):
    samples = category(0)
    expected = evaluate(samples)
    for s in samples:
        if not int(s.gt_label):
            del s.gt_mask
            s.set_metainfo({'ori_shape': (20, 16)})
    assert evaluate(samples) == expected
    assert not warned()
    extra = sample(9, 1, torch.full((4, 4), 99.0))
    metrics = evaluate([*samples, extra])
    for key in PIXEL:
        assert metrics[key] == expected[key]
    assert metrics['image_ap'] != expected['image_ap']
    assert '1 of 5 defective images have no mask' in warned()[0]
    good = sample(0, 0, torch.zeros(4, 4), img_path='a/b.png')
    with pytest.raises(ValueError, match=r'a/b\.png.*ori_shape.*meta_keys'):
        evaluate([good])


def test_an_empty_mask_of_a_defective_image_counts_as_normal(warned):
    samples = category(0, 'bottle')
    extra = [
        sample(0, label, torch.ones(20, 16), np.zeros((20, 16)))
        for label in (1, 0)
    ]
    for s in extra:
        s.set_metainfo({'category': 'bottle'})
    first, second = (evaluate([*samples, s]) for s in extra)
    for key in PIXEL:
        assert first[key] == second[key]
    assert len(warned()) == 1
    assert 'bottle' in warned()[0]
    assert '1 of 5 defective images have an empty mask' in warned()[0]


@pytest.mark.parametrize(
    ('label', 'said', 'pixel_said'),
    [
        (0, 'no defective image', 'no defective pixel'),
        (1, 'no good image', None),
    ],
)
def test_a_category_of_one_kind_is_nan_named_and_not_in_the_mean(
    warned, label, said, pixel_said
):
    whole = category(0, 'bottle')
    part = [s for s in category(1, 'cable') if bool(s.gt_label) == label]
    metrics = evaluate([*whole, *part])
    alone = evaluate(whole)
    undefined = (*IMAGE, *PIXEL) if label == 0 else IMAGE
    for key in (*IMAGE, *PIXEL):
        assert metrics[f'bottle/{key}'] == alone[f'bottle/{key}']
        assert math.isnan(metrics[f'cable/{key}']) == (key in undefined)
        if key in undefined:
            assert metrics[key] == alone[key]
    lines = warned()
    assert len(lines) == 1 + bool(pixel_said)
    assert all('category cable' in line for line in lines)
    assert said in lines[0]
    assert 'left out of the mean' in lines[0]
    if pixel_said:
        assert pixel_said in lines[1]
    else:
        assert math.isnan(metrics['cable/crack/image_auroc'])
    nothing = evaluate(part)
    assert all(math.isnan(nothing[key]) for key in undefined)


def test_defects_over_whole_images_leave_no_normal_pixel(warned):
    full = torch.ones(4, 4)
    samples = [sample(i, 1, full * i, full) for i in range(2)]
    metrics = evaluate([*samples])
    assert all(math.isnan(value) for value in metrics.values())
    assert any('no normal pixel' in line for line in warned())


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'anomaly_score': torch.tensor(math.nan)}, 'anomaly_score is nan'),
        ({'anomaly_score': torch.tensor(math.inf)}, 'anomaly_score is inf'),
        ({'anomaly_score': torch.zeros(2)}, r'one number, got shape \(2,\)'),
        ({'anomaly_score': None}, 'no anomaly_score'),
        ({'gt_label': None}, 'no gt_label'),
        ({'gt_label': torch.tensor([0, 1])}, r'gt_label must be one number'),
        ({'anomaly_map': None}, 'no anomaly_map'),
        (
            {'anomaly_map': torch.tensor([[0.0, math.nan]])},
            'NaN or infinity in anomaly_map',
        ),
        (
            {'anomaly_map': torch.tensor([[-math.inf]])},
            'NaN or infinity in anomaly_map',
        ),
        ({'anomaly_map': torch.zeros(1, 4, 4)}, r'\[H, W\], got \(1, 4, 4\)'),
        ({'anomaly_map': torch.zeros(0, 4)}, r'\[H, W\], got \(0, 4\)'),
        ({'gt_mask': torch.zeros(1, 4, 4)}, r'gt_mask must have shape'),
        ({'gt_label': torch.tensor([0])}, 'says good, but gt_mask has'),
    ],
)
@pytest.mark.parametrize('path', ['bottle/test/3.png', None])
def test_what_is_wrong_is_said_of_which_image(change, message, path):
    whole = sample(1, 1, torch.zeros(4, 4), torch.eye(4)).to_dict()
    changed = {**whole, **change, **({'img_path': path} if path else {})}
    metric = AnomalyMetric()
    metric.process(None, [whole])
    with pytest.raises(ValueError, match=message) as caught:
        metric.process(None, [changed])
    assert str(caught.value).startswith(f'{path or "image 1"}: ')


def test_options_out_of_range_are_refused():
    with pytest.raises(ValueError, match='fpr_limit'):
        AnomalyMetric(fpr_limit=30)
    with pytest.raises(ValueError, match='exact_limit'):
        AnomalyMetric(exact_limit=100)


def test_sizes_that_do_not_fit_are_refused():
    metric = AnomalyMetric()
    metric.process(None, category(0))
    with pytest.raises(ValueError, match='seen 8 images of a data set of 5'):
        metric.evaluate(5)
    with pytest.raises(ValueError, match='seen no image'):
        AnomalyMetric().evaluate(0)


def test_nothing_grows_with_the_number_of_images():
    random = torch.Generator().manual_seed(0)
    metric = AnomalyMetric(exact_limit=2**15)
    mask = torch.zeros(100, 100)
    mask[40:60, 30:70] = 1
    sizes = []
    for i in range(24):
        label = i % 2
        anomaly_map = torch.randn(100, 100, generator=random)
        metric.process(
            None, [sample(i, label, anomaly_map + mask, mask * label)]
        )
        if i % 4 == 3:
            sizes.append(len(pickle.dumps(metric)))
    # scores of 32 bytes with their masses, and the image of the moment
    assert max(sizes) < 2**15 * 32 + 100_000
    assert sizes[-1] < 1.2 * max(sizes[2:-1])
    assert 0.9 > metric.evaluate(24)['pixel_auroc'] > 0.6


def run_rank(rank: int, world: int, folder: str) -> None:
    """Evaluate what a sampler would give this process."""
    torch.set_num_threads(1)
    os.chdir(folder)
    os.environ['LOCAL_RANK'] = str(rank)
    dist.init_process_group(
        'gloo',
        init_method=f'file://{folder}/init',
        rank=rank,
        world_size=world,
    )
    samples = [*category(1, 'bottle'), *category(2, 'cable', 7)]
    padded = samples + samples[: -len(samples) % world]
    metric = AnomalyMetric()
    for s in padded[rank::world]:
        metric.process(None, [s.to_dict()])
    found = metric.evaluate(len(samples))
    Path(folder, f'rank{rank}.json').write_text(json.dumps(found))
    dist.destroy_process_group()


def test_two_processes_find_what_one_does(tmp_path):
    samples = [*category(1, 'bottle'), *category(2, 'cable', 7)]
    assert len(samples) % 2
    context = multiprocessing.get_context('fork')
    ranks = [
        context.Process(target=run_rank, args=(r, 2, str(tmp_path)))
        for r in range(2)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(100)
    assert [rank.exitcode for rank in ranks] == [0, 0]
    expected = evaluate(samples)
    for r in range(2):
        found = json.loads((tmp_path / f'rank{r}.json').read_text())
        assert found == pytest.approx(expected, rel=1e-12)
        assert list(found) == list(expected)
    # a repetition would have been seen
    assert expected != pytest.approx(evaluate([*samples, samples[0]]))


def test_the_table_has_a_row_for_each_category_and_their_mean():
    metrics = {
        'image_auroc': 0.95,
        'image_ap': 0.75,
        'pixel_aupro': 1.0,
        'bottle/image_auroc': 0.9,
        'bottle/image_ap': 0.75,
        'bottle/pixel_aupro': 1.0,
        'bottle/crack/image_auroc': 0.1,
        # a name that looks like a metric
        'image_x/image_auroc': 1.0,
        'image_x/image_ap': math.nan,
        'image_x/pixel_aupro': math.nan,
    }
    lines = [
        '| category | image_auroc | image_ap | pixel_aupro |',
        '| --- | --- | --- | --- |',
        '| bottle | 0.900 | 0.750 | 1.000 |',
        '| image_x | 1.000 | – | – |',
        '| mean | 0.950 | 0.750 | 1.000 |',
    ]
    assert anomaly_table(metrics).splitlines() == lines
    prefixed = {f'test/{key}': value for key, value in metrics.items()}
    others = {'data_time': 0.1, 'image_other': 1.0}
    table = anomaly_table({**prefixed, **others}, 'test')
    assert table.splitlines() == lines


def test_the_table_shows_what_a_threshold_gives_where_there_is_one():
    metrics = {
        'image_auroc': 0.95,
        'false_alarms': 0.1,
        'detected': 0.5,
        'bottle/image_ap': 0.75,
        'bottle/image_auroc': 0.9,
        'bottle/false_alarms': 0.1,
        'bottle/detected': 0.5,
        'nut/image_ap': 0.75,
        'nut/image_auroc': 1.0,
    }
    assert anomaly_table(metrics).splitlines() == [
        '| category | image_auroc | false_alarms | detected |',
        '| --- | --- | --- | --- |',
        '| bottle | 0.900 | 0.100 | 0.500 |',
        '| nut | 1.000 | – | – |',
        '| mean | 0.950 | 0.100 | 0.500 |',
    ]


def test_the_table_of_one_unnamed_category_is_one_row():
    table = anomaly_table(evaluate(category(0)))
    assert len(table.splitlines()) == 3
    assert table.splitlines()[2].startswith('| mean | 0.')
