"""Images of a training are decoded once."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

import mmcvgssl.datasets.transforms.load_image as module
from mmcvgssl.apis import get_config
from mmcvgssl.datasets.image_cache import shared_cache
from mmcvgssl.provenance import of_config
from mmcvgssl.randomness import seed_generators
from mmcvgssl.runner.cached_images import cache_images
from mmcvgssl.runner.load_steps import image_steps
from tests.boxes import write_boxes, write_surfaces

RECIPES = (
    *('yolov8_n_1xb16-300e_coco-format', 'rtmdet_tiny_1xb16-300e_coco-format'),
    'faster-rcnn_r18_1xb8-100e_neu-det',
)


def config(**options):
    step = dict(type='mmcvgssl.LoadImage')
    cached = dict(type='mmcvgssl.Cached', transforms=[dict(step)])
    return Config(
        dict(
            train_dataloader=dict(dataset=dict(pipeline=[dict(step)])),
            val_dataloader=dict(dataset=dict(pipeline=[dict(step)])),
            custom_hooks=[dict(type='Switch', pipeline=[dict(step), cached])],
            **options,
        )
    )


def caches(cfg):
    return [step.get('image_cache') for step in image_steps(cfg._cfg_dict)]


def test_what_is_read_again_is_cached():
    cfg = config()
    cache_images(cfg)
    assert caches(cfg) == [512, None, 512, None]
    cfg.image_cache = 0  # a config that was written by a training
    cache_images(cfg)
    assert caches(cfg) == [0, None, 0, None]


@pytest.mark.parametrize('megabytes', [-1, 1.5, '1GB', None, True])
def test_refuses_what_is_no_memory(megabytes):
    with pytest.raises(ValueError, match='whole number of 0 or more'):
        cache_images(config(image_cache=megabytes))


def test_is_no_other_training():
    cfg = config()
    before = of_config(cfg)
    cache_images(cfg)
    assert of_config(cfg) == before


@pytest.mark.parametrize('recipe', RECIPES)
def test_batches_are_the_same_and_files_are_read_once(
    recipe, tmp_path, monkeypatch
):
    root = write_surfaces(tmp_path)
    write_boxes(root / 'mmcvgssl/train.json', ['scratch'])
    calls = []
    given = module.read_settled
    monkeypatch.setattr(
        module, 'read_settled', lambda *a: calls.append(a[0]) or given(*a)
    )
    found = {}
    for megabytes in (0, 64):
        cfg = get_config(
            recipe,
            {
                'data_root': str(root),
                'classes': ('scratch',),
                'ann_file': 'mmcvgssl/train.json',
                'train_dataloader.num_workers': 0,
                'train_dataloader.persistent_workers': False,
                'image_cache': megabytes,
            },
        )
        init_default_scope(cfg.default_scope)
        cache_images(cfg)
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
        calls.clear()
        seed_generators(0)
        inputs = []
        for _ in range(2):
            for batch in loader:
                images = batch['inputs']
                inputs += [np.asarray(image) for image in images]
        found[megabytes] = (inputs, len(calls), len(set(calls)))
    plain, cached = found[0], found[64]
    assert len(plain[0]) == len(cached[0]) > 0
    for first, second in zip(plain[0], cached[0], strict=True):
        np.testing.assert_array_equal(first, second)
    assert plain[1] > plain[2]  # several times
    assert cached[1] == cached[2] == shared_cache(64).count
