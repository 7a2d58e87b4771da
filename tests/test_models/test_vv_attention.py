"""The two paths through a CLIP image tower, against a slow reference."""

from copy import deepcopy

import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.model import resize_pos_embed
from torch import nn

from mmcvgssl.models.anomaly.vv_attention import (
    VVAttention,
    quarter_blocks,
    resize_positions,
)
from tests.clips import (
    TOWERS,
    all_clips,
    batch_of,
    make_clip,
    make_kead,
    normalised,
    random_images,
    slow_features,
)


@pytest.fixture(scope='module')
def clips():
    return all_clips()


@pytest.mark.parametrize('name', TOWERS)
def test_the_normal_path_is_open_clips_own(clips, name):
    clip = clips[name]
    size = clip.visual.image_size
    images = random_images(2, size)
    kead = make_kead(clip)
    tokens, embedding = kead.path(kead.preprocess(images))
    own = clip.encode_image(normalised(images))
    torch.testing.assert_close(embedding, own)
    depth = len(clip.visual.transformer.resblocks)
    # without V-V blocks features are the tower's, too
    kead = make_kead(clip, vv_blocks=0, feature_blocks=range(1, depth + 1))
    tokens = kead.encode_patches(images)
    out = clip.visual.forward_intermediates(
        normalised(images),
        normalize_intermediates=True,
        output_fmt='NLC',
        output_extra_tokens=True,
    )
    for i, ours in enumerate(tokens):
        theirs = torch.cat(
            [out[f'image_intermediates{p}'][i] for p in ('_prefix', '')], 1
        )
        torch.testing.assert_close(ours, theirs @ clip.visual.proj)


@pytest.mark.parametrize(
    ('name', 'options', 'features', 'first'),
    [
        ('plain', {}, [1, 2, 3, 4], 2),
        ('plain', {'residual': False}, [1, 2, 3, 4], 2),
        ('deep-quick', {}, [3, 6, 9, 12], 4),
        ('deep-quick', {'residual': False}, [3, 6, 9, 12], 4),
        ('deep-quick', {'vv_blocks': 10}, [3, 6, 9, 12], 3),
        (
            'deep-quick',
            {'feature_blocks': (11, 2), 'vv_blocks': 4},
            [2, 11],
            9,
        ),
        ('layer-scale', {}, [1, 2, 3], 2),
        ('average', {}, [1, 2, 3, 4], 2),
        ('sequence-first', {}, [1, 2, 3, 4], 2),
        ('wide', {'vv_blocks': 4, 'feature_blocks': [4]}, [4], 1),
    ],
)
def test_features_are_those_of_the_slow_reference(
    clips, name, options, features, first
):
    clip = clips[name]
    kead = make_kead(clip, **options)
    assert kead.path.feature_blocks == tuple(features)
    assert kead.path.first == first
    images = random_images(2, clip.visual.image_size)
    got = kead.encode_patches(images)
    assert len(got) == len(features)
    with torch.no_grad():
        for n, image in enumerate(normalised(images)):
            wanted = slow_features(
                clip,
                image,
                features,
                first,
                options.get('residual', True),
                TOWERS[name].get('quick_gelu', False),
            )
            for ours, theirs in zip(got, wanted, strict=True):
                torch.testing.assert_close(ours[n], theirs)


@pytest.mark.parametrize(
    ('depth', 'quarters'),
    [
        (12, [3, 6, 9, 12]),
        (24, [6, 12, 18, 24]),
        (32, [8, 16, 24, 32]),
        (6, [2, 3, 5, 6]),
        (2, [1, 2]),
        (1, [1]),
    ],
)
def test_feature_blocks_of_other_depths(depth, quarters):
    assert quarter_blocks(depth) == quarters


def test_the_second_path_of_other_depths_is_the_last_nine_of_twelve(clips):
    assert make_kead(clips['deep-quick']).path.vv_blocks == 9
    one = make_clip(layers=1)
    assert VVAttention(one.visual).first == 1


def test_the_tower_stays_as_it_was(clips):
    clip = deepcopy(clips['plain'])
    state = {k: v.clone() for k, v in clip.state_dict().items()}
    kinds = [(type(m), sorted(vars(m))) for m in clip.modules()]
    kead = make_kead(clip, input_size=(16, 48), k=1)
    kead.fit([batch_of([0])])
    kead.predict_maps(random_images(2))
    assert kinds == [(type(m), sorted(vars(m))) for m in clip.modules()]
    assert list(state) == list(clip.state_dict())
    for name, value in clip.state_dict().items():
        assert torch.equal(value, state[name])


# image sizes


def test_another_size_is_what_open_clip_makes_of_it(clips):
    clip = clips['plain']
    state = {k: v.clone() for k, v in clip.state_dict().items()}
    large = make_clip(layers=4, image_size=48)
    resize_pos_embed(state, large)
    large.load_state_dict(state)
    images = random_images(2, (48, 48))
    kead = make_kead(clip, input_size=48)
    _, embedding = kead.path(kead.preprocess(images))
    own = large.encode_image(normalised(images))
    torch.testing.assert_close(embedding, own)
    maps, scores = kead.predict_maps(images)
    assert maps.shape == (2, 6, 6)
    assert scores.shape == (2,)


def test_positions_of_grids():
    torch.manual_seed(0)
    old = torch.randn(1 + 4 * 6, 5, dtype=torch.double)
    assert resize_positions(old, (4, 6), (4, 6)) is old
    new = resize_positions(old, (4, 6), (7, 5))
    assert new.shape == (1 + 7 * 5, 5)
    assert torch.equal(new[0], old[0])
    # height and width are not mixed up
    turned = old[1:].view(4, 6, 5).transpose(0, 1).reshape(-1, 5)
    other = resize_positions(torch.cat([old[:1], turned]), (6, 4), (5, 7))
    back = other[1:].view(5, 7, 5).transpose(0, 1).reshape(-1, 5)
    torch.testing.assert_close(back, new[1:])
    # what is the same everywhere stays
    flat = resize_positions(torch.ones(25, 2).double(), (4, 6), (9, 3))
    torch.testing.assert_close(flat, torch.ones(28, 2).double())


def test_images_of_any_size_and_grey_ones(clips):
    kead = make_kead(clips['wide'])
    images = random_images(2, (50, 21))
    resized = F.interpolate(
        images, (16, 32), mode='bicubic', antialias=True, align_corners=False
    ).clamp(0, 1)
    torch.testing.assert_close(kead.preprocess(images), normalised(resized))
    assert kead.predict_maps(images)[0].shape == (2, 2, 4)
    grey = images[:, :1]
    torch.testing.assert_close(
        kead.predict_maps(grey)[0],
        kead.predict_maps(grey.expand(-1, 3, -1, -1))[0],
    )
    with pytest.raises(ValueError, match=r'got \(2, 2, 50, 21\)'):
        kead.predict_maps(images[:, :2])


def test_normalisation_is_that_of_the_weights(clips):
    clip = deepcopy(clips['plain'])
    open_clip.model.set_model_preprocess_cfg(
        clip, {'mean': (0.5, 0.4, 0.3), 'std': (0.2, 0.25, 0.5)}
    )
    images = random_images(1)
    got = make_kead(clip).preprocess(images)
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.5])
    wanted = (images - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-6)


def vision_tower(**changes) -> nn.Module:
    clip = make_clip(layers=1)
    for name, value in changes.items():
        setattr(clip.visual, name, value)
    return clip


@pytest.mark.parametrize(
    ('make', 'word'),
    [
        (lambda: make_clip(layers=(1, 1, 1, 1)), 'ModifiedResNet'),
        (
            lambda: make_clip(
                layers=1, attentional_pool=True, attn_pooler_heads=2
            ),
            'by attention',
        ),
        (lambda: make_clip(layers=1, qk_norm=True), 'CustomResidual'),
        (lambda: vision_tower(pool_type='none'), "pool_type='none'"),
        (lambda: vision_tower(proj=None), 'no projection'),
    ],
)
def test_other_towers_are_refused(make, word):
    with pytest.raises(ValueError, match='ViT-B-16-plus-240') as caught:
        make_kead(make())
    assert word in str(caught.value)
