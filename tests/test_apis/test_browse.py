"""Pictures of what pipelines feed."""

import json

import cv2
import numpy as np
import pytest

from mmcvgssl.apis import browse_dataset, load_config
from mmcvgssl.cli import main
from mmcvgssl.datasets.image_folders import images_below
from tests.data import CONFIGS, write_images
from tests.one_class_data import save, save_mask
from tests.report_data import coco


def test_views_are_those_of_the_seed(tiny, tmp_path):
    made = {
        name: browse_dataset(load_config(tiny()), tmp_path / name, seed=seed)
        for name, seed in (('a', 0), ('b', 0), ('c', 1))
    }
    assert made['a'].count == len(made['a'].files) == 8
    assert made['a'].lines[0].startswith('5 of 3 x 32 x 32')
    pictures = [
        [cv2.imread(str(file)) for file in own.files] for own in made.values()
    ]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (np.array(pictures[0]) != np.array(pictures[2])).any()
    # they are no images to train on
    assert images_below(tmp_path / 'a') == []


def test_masks_are_outlined(tmp_path):
    for i in range(3):
        save(tmp_path / f'images/good/{i}.png', i)
        save(tmp_path / f'images/dent/{i}.jpg', 9 + i, spot=True)
        save_mask(tmp_path / f'images/dent/{i}.png')
    config = tmp_path / 'cfg.py'
    base = CONFIGS / 'anomaly/mahalanobis_ad/mahalanobis-ad_lite0_folder.py'
    config.write_text(
        f'_base_ = {str(base)!r}\ndata_root = {str(tmp_path / "images")!r}\n'
        "input_size = 32\nann_file = test_ann_file = ''\n"
    )
    cfg = load_config(config)
    cfg.test_dataloader.dataset.ann_file = ''
    made = browse_dataset(cfg, tmp_path / 'fed', 'test')
    assert made.count == 6
    by_name = {f.name: cv2.imread(str(f)) for f in made.files}
    green = {
        name: int(((p[..., 1] > 200) & (p[..., 0] < 120)).sum())
        for name, p in by_name.items()
    }
    assert sum(count > 0 for count in green.values()) == 3


def test_boxes_have_their_classes(tmp_path, capsys):
    names = [
        path.relative_to(tmp_path / 'images').as_posix()
        for path in write_images(tmp_path / 'images', 4)
    ]
    content = coco(names, {0: [2, 2, 20, 20]}, 'dent')
    (tmp_path / 'boxes.json').write_text(json.dumps(content))
    words = [
        *('browse', 'faster-rcnn_r18_1xb8-100e_neu-det', '--part', 'val'),
        *('--out', str(tmp_path / 'fed'), '--json', '--cfg-options'),
        *(f'data_root={tmp_path / "images"}', 'num_classes=1'),
        *(
            f'{part}_dataloader.dataset.ann_file={tmp_path / "boxes.json"}'
            for part in ('train', 'val')
        ),
        "classes=('dent',)",
    ]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert '1 boxes' in said['samples'][0]
    drawn = cv2.imread(said['files'][0]).astype(int)
    assert np.ptp(drawn, axis=2).max() > 50  # a coloured frame


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'part': 'test'}, 'expected one of train as the part'),
        ({'part': 'odd'}, 'no odd_dataloader'),
        ({'number': 0}, 'number is 1 or more'),
        ({'seed': -1}, 'seed is 0 or more'),
    ],
)
def test_bad_options_are_refused(tiny, tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        browse_dataset(load_config(tiny()), tmp_path / 'fed', **options)
    assert not (tmp_path / 'fed').exists()
