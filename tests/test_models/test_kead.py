"""KeAD's maps, memory and options, on tiny random CLIPs."""

import json
import re
from copy import deepcopy

import open_clip
import pytest
import torch
from PIL import Image

from mmcvgssl.models.anomaly import FittedStateError
from mmcvgssl.models.anomaly.kead import KeAD
from mmcvgssl.provenance import of_file
from mmcvgssl.registry import MODELS
from tests.clips import (
    KNOWLEDGE,
    STRIP,
    TOWERS,
    all_clips,
    as_rgb,
    batch_of,
    make_kead,
    normalised,
    random_images,
    slow_distance,
    slow_features,
    slow_maps,
    slow_probability,
    slow_texts,
    tokenize,
)
from tests.data import picture

TINY = 'tiny-clip-of-kead'


@pytest.fixture(scope='module')
def clips():
    return all_clips()


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('plain', {}),
        ('plain', {'residual': False}),
        ('deep-quick', {}),
        ('deep-quick', {'residual': False}),
    ],
)
def test_zero_shot_maps_are_those_of_the_definition(clips, name, options):
    clip = clips[name]
    kead = make_kead(clip, **options)
    images = random_images(2)
    maps, scores = kead.predict_maps(images)
    features = [1, 2, 3, 4] if name == 'plain' else [3, 6, 9, 12]
    quick = TOWERS[name].get('quick_gelu', False)
    with torch.no_grad():
        texts = slow_texts(clip)
        own = clip.encode_image(normalised(images))
        for n, image in enumerate(normalised(images)):
            levels = slow_features(
                clip,
                image,
                features,
                features[0] + 1,
                options.get('residual', True),
                quick,
            )
            wanted = slow_maps(levels, texts)
            torch.testing.assert_close(maps[n].flatten(), wanted)
            assert float(scores[n]) == pytest.approx(
                slow_probability(own[n], texts)
            )
    assert maps.min() > 0
    assert maps.max() < 1


def test_a_lower_temperature_sharpens(clips):
    images = random_images(3)
    near, far = (
        make_kead(clips['plain'], temperature=t).predict_maps(images)[1]
        for t in (0.07, 0.7)
    )
    torch.testing.assert_close(near.logit(), 10 * far.logit())


def test_a_batch_is_its_images(clips):
    images = random_images(4)
    names = ['strip', 'tile', 'tile', 'strip']
    kead = make_kead(clips['plain'], knowledge=KNOWLEDGE, k=1)
    kead.fit([batch_of([0, 1], ['strip', 'tile'])])
    maps, scores = kead.predict_maps(images, names)
    for i, name in enumerate(names):
        one_map, one_score = kead.predict_maps(images[i : i + 1], name)
        torch.testing.assert_close(maps[i : i + 1], one_map)
        torch.testing.assert_close(scores[i : i + 1], one_score)
    other, _ = kead.predict_maps(images, 'strip')
    assert torch.equal(other[0], maps[0])
    assert not torch.allclose(other[1], maps[1])


# few-shot


def test_few_shot_maps_are_those_of_the_definition(clips):
    clip = clips['plain']
    kead = make_kead(clip, k=2)
    assert kead.needs_fit
    with pytest.raises(FittedStateError, match='has not been fitted'):
        kead(as_rgb(7))
    # the third image is one too many
    kead.fit([batch_of([0]), batch_of([1, 2])])
    assert sorted(kead.state) == [f'strip/{i}' for i in range(4)]
    image = as_rgb(7)
    maps, scores = kead.predict_maps(image)
    with torch.no_grad():
        levels, *known = (
            slow_features(clip, kead.preprocess(x)[0], [1, 2, 3, 4], first=2)
            for x in (image, as_rgb(0), as_rgb(1))
        )
        texts = slow_texts(clip)
        wanted = slow_maps(levels, texts)
        for i in range(len(wanted)):
            for level, *memory in zip(levels, *known, strict=True):
                rows = torch.cat([m[1:] for m in memory])
                wanted[i] += slow_distance(level[1 + i], rows) / 4
        own = clip.encode_image(kead.preprocess(image))[0]
        score = slow_probability(own, texts)
    # bytes come as single precision
    close = {'rtol': 1e-5, 'atol': 1e-5}
    torch.testing.assert_close(maps.flatten(), wanted, **close)
    assert float(scores) == pytest.approx(
        (score + float(wanted.max())) / 2, abs=1e-5
    )
    # the memory keeps lengths
    lengths = kead.state['strip/0'].norm(dim=1)
    assert len(lengths) == 2 * 16
    assert lengths.std() > 1e-3


def test_a_block_named_several_times_counts_so_often(clips):
    clip = clips['deep-quick']
    blocks = [3, 12, 12, 12]
    kead = make_kead(clip, k=1, feature_blocks=[12, 3, 12, 12])
    kead.fit([batch_of([0])])
    image = as_rgb(7)
    maps, _ = kead.predict_maps(image)
    with torch.no_grad():
        once, of_memory = (
            slow_features(
                clip, kead.preprocess(x)[0], [3, 12], first=4, quick=True
            )
            for x in (image, as_rgb(0))
        )
        levels, known = ([x[0]] + 3 * [x[1]] for x in (once, of_memory))
        wanted = slow_maps(levels, slow_texts(clip))
        for i in range(len(wanted)):
            for level, memory in zip(levels, known, strict=True):
                wanted[i] += slow_distance(level[1 + i], memory[1:]) / 4
    close = {'rtol': 1e-5, 'atol': 1e-5}
    torch.testing.assert_close(maps.flatten(), wanted, **close)
    assert kead.settings['feature_blocks'] == blocks
    alike = make_kead(clip, k=1, feature_blocks=[3, 12])
    alike.fit([batch_of([0])])
    assert not torch.allclose(alike.predict_maps(image)[0], maps)


def test_a_normal_image_is_at_no_distance_from_itself(clips):
    zero = make_kead(clips['plain'])
    few = make_kead(clips['plain'], k=1)
    few.fit([batch_of([3])])
    image = as_rgb(3)
    torch.testing.assert_close(
        few.predict_maps(image)[0],
        zero.predict_maps(image)[0],
        rtol=0,
        atol=1e-9,
    )
    changed = image.clone()
    changed[..., :12, :12] = 0
    assert (few.predict_maps(changed)[0] > zero.predict_maps(changed)[0]).all()


def test_each_category_has_its_own_normal_images(clips):
    kead = make_kead(clips['plain'], knowledge=KNOWLEDGE, k=1)
    kead.fit([batch_of([0, 1, 2], ['tile', 'strip', 'tile'])])
    assert len(kead.state) == 8
    one = make_kead(clips['plain'], k=1)
    one.fit([batch_of([1])])
    for i in range(4):
        torch.testing.assert_close(
            kead.state[f'strip/{i}'], one.state[f'strip/{i}']
        )
    # only what has been seen can be compared
    kead.fit([batch_of([0], ['tile'])])
    kead.predict_maps(as_rgb(0), 'tile')
    with pytest.raises(FittedStateError, match="'strip', only of tile"):
        kead.predict_maps(as_rgb(0), 'strip')


def test_listed_images_come_before_those_of_the_data(clips, tmp_path):
    for seed in (4, 5):
        picture(seed).save(tmp_path / f'{seed}.png')
    Image.new('L', (20, 30), 128).save(tmp_path / 'grey.png')
    file = tmp_path / 'mine.json'
    listed = STRIP['strip'] | {'normal_images': ['5.png', '4.png']}
    file.write_text(json.dumps({'strip': listed}))
    got, wanted = (
        make_kead(clips['plain'], k=1, knowledge=source)
        for source in (file, STRIP)
    )
    got.fit([])  # nothing else is needed
    wanted.fit([batch_of([5])])
    for key, rows in wanted.state.items():
        torch.testing.assert_close(got.state[key], rows, rtol=0, atol=1e-5)
    listed = listed | {'normal_images': ['grey.png', '4.png']}
    file.write_text(json.dumps({'strip': listed}))
    other = make_kead(clips['plain'], k=2, knowledge=file)
    other.fit([])
    assert len(other.state['strip/0']) == 2 * 16
    with pytest.raises(ValueError, match=r"'strip', got 2.*lower k"):
        make_kead(clips['plain'], k=3, knowledge=file).fit([])


@pytest.mark.parametrize(
    ('k', 'seeds', 'words'),
    [
        (3, [0, 1], ['k=3', "'strip'", 'got 2']),
        (1, [], ['images to fit to', 'none']),
    ],
)
def test_too_few_normal_images_are_refused(clips, k, seeds, words):
    kead = make_kead(clips['plain'], k=k)
    with pytest.raises(ValueError, match=words[0]) as caught:
        kead.fit([batch_of(seeds)] if seeds else [])
    assert all(word in str(caught.value) for word in words)


def test_fitted_state_is_kept(clips, tmp_path):
    kead = make_kead(clips['plain'], k=2)
    kead.fit([batch_of([0, 1])])
    kead.save_fitted(tmp_path / 'fitted.safetensors')
    other = make_kead(deepcopy(clips['plain']), k=2)
    other.load_fitted(tmp_path / 'fitted.safetensors')
    image = as_rgb(5)
    for ours, theirs in zip(
        other.predict_maps(image), kead.predict_maps(image), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert other.fingerprint() == kead.fingerprint()
    another = make_kead(clips['plain'], k=2, temperature=0.1)
    with pytest.raises(FittedStateError, match=r'temperature: 0\.07 there'):
        another.load_fitted(tmp_path / 'fitted.safetensors')


# in the framework


@pytest.mark.parametrize(
    'change',
    [
        {'residual': False},
        {'vv_blocks': 4},
        {'feature_blocks': [2]},
        {'temperature': 0.1},
        {'input_size': 16},
        {'knowledge': {'strip': KNOWLEDGE['tile']}},
        {'autocast': 'bfloat16'},
        {'clip': 'layer-scale'},
        {'k': 1},
    ],
)
def test_settings_tell_what_maps_depend_on(clips, change):
    first = make_kead(clips['plain'])
    change = dict(change)
    clip = clips[change.pop('clip', 'plain')]
    second = make_kead(clip, **change)
    assert first.fingerprint() == make_kead(clips['plain']).fingerprint()
    assert first.fingerprint() != second.fingerprint()
    json.dumps(second.settings)


def test_settings_tell_which_normal_images_are_listed(tmp_path):
    paths = [str(tmp_path / name) for name in ('a.png', 'b.png', 'gone.png')]
    for seed, path in enumerate(paths[:2]):
        picture(seed).save(path)
    first, second, third = (
        make_kead(
            all_clips()['plain'],
            k=1,
            knowledge={'strip': STRIP['strip'] | {'normal_images': names}},
        ).settings
        for names in (paths, paths[::-1], paths[1:])
    )
    listed = [s.pop('normal_images')['strip'] for s in (first, second, third)]
    contents = [[of_file(paths[0])], ['missing'], [of_file(paths[1])]]
    assert listed == contents
    assert first == second == third


def test_predictions_by_the_data_samples_categories(clips):
    kead = make_kead(clips['plain'], knowledge=KNOWLEDGE, category='tile')
    samples = batch_of([0, 1, 2], ['strip', 'tile', 'strip'])['data_samples']
    del samples[2].category
    images = random_images(3)
    out = kead(images, samples, mode='predict')
    for i, name in enumerate(['strip', 'tile', 'tile']):
        # images pass one by one
        maps, scores = kead.predict_maps(images[i : i + 1], name)
        assert torch.equal(out[i].anomaly_map, maps[0])
        assert torch.equal(out[i].anomaly_score, scores[0])
        assert maps.shape == (1, 4, 4)
    kead = make_kead(
        clips['plain'], knowledge=KNOWLEDGE, calibration={'quantile': 0.9}
    )
    kead.fit([batch_of([0, 1, 2], ['strip', 'tile', 'strip'])])
    assert kead.fitted


def test_autocast_changes_little(clips):
    clip = deepcopy(clips['plain']).float()
    images = random_images(2).float()
    plain = KeAD(clip=clip, tokenizer=tokenize, knowledge=STRIP)
    half = KeAD(
        clip=clip, tokenizer=tokenize, knowledge=STRIP, autocast='bfloat16'
    )
    wanted = plain.predict_maps(images)
    with torch.autocast('cpu', torch.bfloat16):
        around = KeAD(clip=clip, tokenizer=tokenize, knowledge=STRIP)
        outer = around.predict_maps(images)
    for got in (outer, half.predict_maps(images)):
        for ours, theirs in zip(got, wanted, strict=True):
            assert ours.dtype == torch.float32
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0.1)
            assert not torch.equal(ours, theirs)
    # words are never embedded in half precision
    for ours, theirs in zip(
        around.text_features('strip'),
        plain.text_features('strip'),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_it_stays_frozen_and_in_eval_mode(clips):
    kead = make_kead(deepcopy(clips['plain']))
    kead.train()
    assert not any(m.training for m in kead.modules())
    assert not any(p.requires_grad for p in kead.clip.parameters())


def test_a_copy_walks_its_own_tower(clips):
    kead = make_kead(clips['plain'])
    copy = deepcopy(kead)
    assert copy.path.visual is copy.clip.visual is not kead.clip.visual


# weights: where they come from


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """Register a CLIP with open_clip's own tokens; return its folder."""
    folder = tmp_path_factory.mktemp('clip')
    vision = {'image_size': 32, 'layers': 2, 'width': 16, 'patch_size': 16}
    vision |= {'head_width': 8}
    text = {'vocab_size': 49408, 'width': 8, 'heads': 1, 'layers': 1}
    config = {'embed_dim': 6, 'vision_cfg': vision, 'text_cfg': text}
    (folder / f'{TINY}.json').write_text(json.dumps(config))
    open_clip.add_model_config(folder / f'{TINY}.json')
    torch.manual_seed(1)
    model = open_clip.create_model(TINY)
    torch.save(model.state_dict(), folder / 'clip.pt')
    return folder


def test_a_config_with_a_file_builds_a_model(tiny):
    config = {
        'type': 'mmcvgssl.KeAD',
        'model_name': TINY,
        'checkpoint': str(tiny / 'clip.pt'),
        'knowledge': 'mvtec',
        'category': 'screw',
    }
    kead = MODELS.build(config)
    kead.init_weights()
    state = torch.load(tiny / 'clip.pt', weights_only=True)
    for name, value in kead.clip.state_dict().items():
        assert torch.equal(value, state[name])
    images = random_images(2).float()
    maps, _ = kead.predict_maps(images)
    assert maps.shape == (2, 2, 2)
    assert torch.equal(maps, kead.predict_maps(images, 'screw')[0])
    assert not torch.allclose(maps, kead.predict_maps(images, 'carpet')[0])
    # an injected one is given the same tokens
    other = KeAD(clip=kead.clip, knowledge='mvtec', category='screw')
    torch.testing.assert_close(other.predict_maps(images)[0], maps)


@pytest.mark.parametrize(
    ('options', 'error', 'words'),
    [
        ({}, ValueError, ['KeAD', 'no weights', '`checkpoint`']),
        (
            {'checkpoint': 'none.pt'},
            FileNotFoundError,
            ['`checkpoint`', 'KeAD', 'none.pt'],
        ),
        (
            {'pretrained': 'no-such-tag'},
            ValueError,
            ['no-such-tag', '`checkpoint`'],
        ),
    ],
)
def test_missing_weights_name_the_file_option(tiny, options, error, words):
    with pytest.raises(error) as caught:
        KeAD(TINY, knowledge='steel_strip', **options)
    assert all(word in str(caught.value) for word in words)
    assert KeAD(TINY, knowledge='steel_strip', allow_random=True).fitted


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'category': 'nut'}, ["'nut'", 'strip']),
        ({'temperature': 0}, ['temperature', '0']),
        ({'k': -1}, ['k is', '-1']),
        ({'autocast': 'half'}, ['bfloat16', "'half'"]),
        ({'feature_blocks': [0]}, ['1 to 4', '[0]']),
        ({'feature_blocks': [5]}, ['1 to 4', '[5]']),
        ({'feature_blocks': []}, ['1 to 4', '[]']),
        ({'vv_blocks': 5}, ['between 0 and 4', '5']),
        ({'input_size': 33}, ['multiples', '(8, 8)', '33']),
        ({'input_size': (32, 0)}, ['multiples', '(32, 0)']),
        ({'input_size': (8, 8, 8)}, ['(height, width)', '(8, 8, 8)']),
    ],
)
def test_bad_options_are_refused(clips, options, words):
    with pytest.raises(ValueError, match=re.escape(words[0])) as caught:
        make_kead(clips['plain'], **options)
    assert all(word in str(caught.value) for word in words)


def test_bad_categories_are_refused(clips):
    kead = make_kead(clips['plain'], knowledge=KNOWLEDGE)
    images = random_images(2)
    with pytest.raises(ValueError, match="'nut', only of strip, tile"):
        kead.predict_maps(images, 'nut')
    with pytest.raises(ValueError, match='which category'):
        kead.predict_maps(images)
    with pytest.raises(ValueError, match='as many categories, got 1'):
        kead.predict_maps(images, ['tile'])
    with pytest.raises(ValueError, match="'nut'"):
        kead.text_features('nut')
