"""The model: what student and teachers see, and the loss of all views."""

from copy import deepcopy

import pytest
import torch
from mmpretrain.structures import DataSample
from torch import Tensor

import mmcvgssl  # noqa: F401
from mmcvgssl.models import CVGSSL, CVGSSLHead, FeatureRegressionHead
from mmcvgssl.models.layers import global_pool
from mmcvgssl.models.losses import cvgssl_loss
from mmcvgssl.registry import MODELS
from tests.data import FakeTeacher, TinyNet

N, V = 6, 3
WIDTH = 6  # of TinyNet
NECK = {
    'type': 'mmpretrain.NonLinearNeck',
    'in_channels': WIDTH,
    'hid_channels': 8,
    'out_channels': 7,
    'with_last_bn': False,
    'with_avg_pool': False,
    'norm_cfg': {'type': 'BN1d'},
}
HEAD = {
    'type': 'mmcvgssl.CVGSSLHead',
    'channels': 7,
    'hid_channels': 8,
    'adapter_channels': 9,
}
REGRESSION = {'type': 'mmcvgssl.FeatureRegressionHead', 'in_channels': WIDTH}
PREPROCESSOR = {
    'type': 'mmpretrain.SelfSupDataPreprocessor',
    'mean': [10.0, 120.0, 200.0],
    'std': [50.0, 60.0, 70.0],
    'to_rgb': True,
}
BOTH = {'neck': NECK, 'head': HEAD, 'regression_head': REGRESSION}
CONTRAST = {'neck': NECK, 'head': HEAD}
REGRESS = {'regression_head': REGRESSION}


def make(seed: int = 0, teachers=None, **kwargs) -> CVGSSL:
    torch.manual_seed(seed)
    return CVGSSL(
        backbone=TinyNet(WIDTH),
        teachers=teachers or [FakeTeacher()],
        data_preprocessor=PREPROCESSOR,
        **(kwargs or CONTRAST),
    )


def raw_views(sizes=(16,) * V, n: int = N) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [
        torch.randint(
            0, 256, (n, 3, s, s), generator=generator, dtype=torch.uint8
        )
        for s in sizes
    ]


def samples(n: int = N, view_set: int = 0) -> list[DataSample]:
    made = []
    for i in range(n):
        sample = DataSample()
        sample.set_field(i, 'sample_idx', field_type='metainfo')
        sample.set_field(view_set, 'view_set', field_type='metainfo')
        made.append(sample)
    return made


def prepared(model: CVGSSL, views: list[Tensor]) -> list[Tensor]:
    data = {'inputs': views, 'data_samples': samples(len(views[0]))}
    return model.data_preprocessor(data, True)['inputs']


def losses(model: CVGSSL, views: list[Tensor], **kwargs) -> dict:
    """Losses of raw views through the public call."""
    data = {'inputs': views, 'data_samples': samples(len(views[0]), **kwargs)}
    data = model.data_preprocessor(data, True)
    return model(**data, mode='loss')


def assert_same(got: dict, expected: dict, **kwargs) -> None:
    assert set(got) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, **kwargs)


def by_hand(
    model: CVGSSL, views: list[Tensor], groups: list[list[int]]
) -> dict:
    """The losses with batch norm over each group of views; one teacher."""
    student, teacher = deepcopy(model), model.teachers[0]
    features, z, p, t, rows = [], [], [], [], []
    for group in groups:
        x = torch.cat([views[i] for i in group])
        pooled = global_pool(student.backbone(x))
        images = (x * student.data_preprocessor.std) / 255
        images = images + student.data_preprocessor.mean / 255
        seen = teacher(images)
        features.append(pooled)
        rows.append(seen)
        if student.head is None:
            continue
        projection = student.neck((pooled,))[0]
        z.append(projection)
        p.append(student.head.predictor((projection,))[0])
        t.append(student.head.adapters[0]((seen,))[0])
    out = {}
    if student.head is not None:
        z, p, t = (torch.cat(x).chunk(len(views)) for x in (z, p, t))
        out.update(cvgssl_loss(z[0], p, t))
    if student.regression_head is not None:
        out.update(
            student.regression_head.loss(
                torch.cat(features), [torch.cat(rows)]
            )
        )
    return out


def test_student_and_teacher_see_rgb_in_their_own_normalisation():
    model, views = make(), raw_views()
    losses(model, views)
    rgb = torch.cat(views).flip(1).float()
    (student,) = model.backbone.seen
    mean, std = (torch.tensor(PREPROCESSOR[k]) for k in ('mean', 'std'))
    expected = (rgb - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(student, expected)
    teacher = model.teachers[0]
    (seen,) = teacher.tower.seen
    unit = teacher.resize(rgb / 255)
    expected = (unit - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / (
        torch.tensor([0.5, 0.6, 0.7]).view(3, 1, 1)
    )
    assert seen.shape[-2:] == (8, 8)
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-5)


def test_without_normalisation_only_the_range_changes():
    model = make()
    del model.data_preprocessor
    model.data_preprocessor = MODELS.build(
        {'type': 'mmpretrain.SelfSupDataPreprocessor', 'to_rgb': True}
    )
    view = raw_views()[0].float()
    torch.testing.assert_close(model.to_unit_range(view), view / 255)


@pytest.mark.parametrize('heads', [BOTH, CONTRAST, REGRESS])
@pytest.mark.parametrize('per_view', [False, True])
def test_losses_are_those_computed_by_hand(heads, per_view):
    model = make(**heads, per_view_bn=per_view)
    views = raw_views()
    groups = [[i] for i in range(V)] if per_view else [list(range(V))]
    expected = by_hand(model, prepared(model, views), groups)
    got = losses(model, views)
    assert_same(got, expected)
    assert set(got) == {
        *(['loss_distill', 'loss_contrast', 'loss_self'] * ('head' in heads)),
        *(['loss_regression'] * ('regression_head' in heads)),
    }


def test_per_view_batch_norm_is_another_thing():
    together, apart = make(), make(per_view_bn=True, **CONTRAST)
    # views of other brightness, so that their statistics differ
    views = [v // (i + 1) for i, v in enumerate(raw_views())]
    one, other = losses(together, views), losses(apart, views)
    assert abs(float(one['loss_distill'] - other['loss_distill'])) > 1e-4
    assert int(together.backbone.bn.num_batches_tracked) == 1
    assert int(apart.backbone.bn.num_batches_tracked) == V
    assert [len(x) for x in apart.backbone.seen] == [N] * V


@pytest.mark.parametrize('heads', [BOTH, REGRESS])
def test_views_of_several_sizes(heads):
    model, views = make(**heads), raw_views((16, 12, 8))
    expected = by_hand(model, prepared(model, views), [[0], [1], [2]])
    model.teachers[0].tower.seen.clear()
    assert_same(losses(model, views), expected)
    assert [len(s) for s in model.teachers[0].tower.seen] == [3 * N]


@pytest.mark.parametrize('sizes', [(16, 16, 16), (16, 12, 8)])
@pytest.mark.parametrize('per_view', [False, True])
def test_a_teacher_sees_all_views_in_one_frozen_call(sizes, per_view):
    teachers = [FakeTeacher(5), FakeTeacher(4, input_size=12)]
    model = make(teachers=teachers, per_view_bn=per_view, **CONTRAST)
    model.train()
    sum(losses(model, raw_views(sizes)).values()).backward()
    for teacher, side in zip(teachers, (8, 12), strict=True):
        shapes = [tuple(x.shape) for x in teacher.tower.seen]
        assert shapes == [(3 * N, 3, side, side)]
        assert teacher.tower.inference == [True]
        assert not any(m.training for m in teacher.modules())
        assert all(p.grad is None for p in teacher.parameters())
        assert int(teacher.tower.bn.num_batches_tracked) == 0
    trained = [p for p in model.parameters() if p.grad is None]
    assert not trained


def test_two_teachers_count_alike():
    torch.manual_seed(4)
    one, other = FakeTeacher(5), FakeTeacher(4)
    heads = {**BOTH, 'head': {**HEAD, 'temperature': 0.5}}
    model = make(teachers=[one, other], **heads)
    assert [a.fc0.in_features for a in model.head.adapters] == [5, 4]
    assert model.regression_head.level_widths == [5, 4]
    views = raw_views()
    got = losses(deepcopy(model), views)
    apart = []
    for i, teacher in enumerate((one, other)):
        single = deepcopy(model)
        single.teachers = (teacher,)
        single.head.adapters = single.head.adapters[i : i + 1]
        single.regression_head = None
        apart.append(losses(single, views))
    for name in ('loss_distill', 'loss_contrast', 'loss_self'):
        mean = (apart[0][name] + apart[1][name]) / 2
        torch.testing.assert_close(got[name], mean)


def test_levels_feed_regression_and_embeddings_feed_the_head():
    teachers = [FakeTeacher(5, levels=(0, 1)), FakeTeacher(4, levels=(0,))]
    model = make(teachers=teachers, **BOTH)
    assert model.regression_head.level_widths == [3, 3, 5, 3, 4]
    views = prepared(model, raw_views())
    levels = model.teach(views, samples())
    assert [tuple(x[0].shape) for x in levels] == [
        (N, w) for w in (3, 3, 5, 3, 4)
    ]
    for i, view in enumerate(views):
        images = model.to_unit_range(view)
        alone = [x for t in teachers for x in t.encode(images)]
        for level, expected in zip(levels, alone, strict=True):
            torch.testing.assert_close(level[i], expected)
    assert set(losses(model, raw_views())) == {
        *('loss_distill', 'loss_contrast', 'loss_self', 'loss_regression')
    }


def test_a_single_view_is_enough_for_regression():
    model = make(**REGRESS)
    views = raw_views((16,))
    expected = by_hand(model, prepared(model, views), [[0]])
    assert_same(losses(model, views), expected)
    tensor = prepared(model, views)[0]
    assert_same(model.loss(tensor, samples()), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('heads', [BOTH, REGRESS])
def test_memory_layout_changes_nothing_but_the_layout(heads):
    plain, last = make(**heads), make(**heads, channels_last=True)
    strides = []
    last.backbone.conv1.register_forward_pre_hook(
        lambda _, x: strides.append(
            x[0].is_contiguous(memory_format=torch.channels_last)
        )
    )
    views = raw_views()
    assert_same(
        losses(last, views), losses(plain, views), rtol=1e-4, atol=1e-5
    )
    assert strides == [True]
    weight = last.backbone.conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def mixing(model: CVGSSL) -> tuple[list[Tensor], list[Tensor]]:
    """Train on flat images; return what student and teacher saw."""
    grey = torch.arange(N, dtype=torch.uint8) ** 2 * 5 + 20
    views = [
        (grey + 10 * i).view(N, 1, 1, 1).expand(N, 3, 8, 8) for i in range(V)
    ]
    torch.manual_seed(11)
    losses(model, [v.contiguous() for v in views])
    unit = model.to_unit_range(model.backbone.seen[-1])[:, 0, 0, 0] * 255
    teacher = model.teachers[0]
    shown = teacher.tower.seen[-1] * teacher.std + teacher.mean
    return (
        [x - 10 * i for i, x in enumerate(unit.chunk(V))],
        [x - 10 * i for i, x in enumerate((shown[:, 0, 0, 0] * 255).chunk(V))],
    )


@pytest.mark.parametrize('share', [0.0, 0.5, 1.0])
def test_mixup_treats_student_teacher_and_views_alike(share):
    model = make(**REGRESS, mixup=share)
    student, teacher = mixing(model)
    for view in (*student, *teacher):
        # one ratio and one partner an image, whatever the view
        torch.testing.assert_close(view, student[0], rtol=0, atol=0.01)
    original = torch.arange(N).float() ** 2 * 5 + 20
    changed = (student[0] - original).abs() > 0.01
    assert student[0].min() >= 20 - 0.01
    assert student[0].max() <= 145 + 0.01
    assert bool(changed.any()) == (share > 0)


def test_mixup_draws_a_ratio_and_a_partner_for_a_share_of_images():
    model = make(**REGRESS, mixup=0.5)
    views = [torch.randn(2000, 1, 1, 1), torch.randn(2000, 1, 1, 1)]
    torch.manual_seed(0)
    mixed = model._mix(views)
    same = (mixed[0] == views[0]).float().mean()
    assert 0.45 < float(same) < 0.55
    torch.manual_seed(0)
    chosen = torch.rand(2000) < 0.5
    ratio = torch.where(chosen, torch.rand(2000), torch.ones(2000))
    other = torch.randperm(2000)
    for before, after in zip(views, mixed, strict=True):
        r = ratio.view(-1, 1, 1, 1)
        torch.testing.assert_close(after, r * before + (1 - r) * before[other])


def test_a_second_pass_over_fixed_views_makes_no_teacher_call():
    teachers = [FakeTeacher(5, levels=(0,)), FakeTeacher(4)]
    model = make(teachers=teachers, cache_teacher=True, **BOTH)
    views, data = prepared(model, raw_views()), samples()
    first = model.teach(views, data)
    assert [len(t.tower.seen) for t in teachers] == [1, 1]
    order = [3, 0, 5, 1, 2, 4]  # another order, as a shuffled epoch has it
    again = model.teach([v[order] for v in views], [data[i] for i in order])
    assert [len(t.tower.seen) for t in teachers] == [1, 1]
    assert len(model.cache) == N
    for before, after in zip(first, again, strict=True):
        for x, y in zip(before, after, strict=True):
            # from the first time on as they are stored
            assert torch.equal(y, x[order])
            assert torch.equal(y, y.half().float())
    model.teach(views, samples(view_set=1))
    assert [len(t.tower.seen) for t in teachers] == [2, 2]
    assert len(model.cache) == 2 * N


def test_a_batch_with_some_known_samples_computes_the_others_alone():
    teachers = [FakeTeacher(5, levels=(0,)), FakeTeacher(4)]
    model = make(teachers=teachers, cache_teacher=True, **BOTH)
    plain = make(
        teachers=[FakeTeacher(5, levels=(0,)), FakeTeacher(4)], **BOTH
    )
    for one, other in zip(teachers, plain.teachers, strict=True):
        other.load_state_dict(one.state_dict())
    views, data = prepared(model, raw_views(n=8)), samples(8)

    # shares of a process in three shuffled epochs
    for share in ([0, 1, 2, 3], [5, 2, 7, 0], [7, 6, 4, 5]):
        part = [v[share] for v in views], [data[i] for i in share]
        made, whole = model.teach(*part), plain.teach(*part)
        for ours, theirs in zip(made, whole, strict=True):
            for x, y in zip(ours, theirs, strict=True):
                torch.testing.assert_close(x, y, rtol=2e-3, atol=2e-3)
    for teacher in teachers:
        seen = [len(images) // V for images in teacher.tower.seen]
        assert seen == [4, 2, 2]
    assert len(model.cache) == 8


def test_a_full_cache_keeps_what_it_has_and_says_so(monkeypatch):
    said = []
    monkeypatch.setattr(
        'mmcvgssl.models.teachers.feature_cache.print_log',
        lambda text, logger: said.append(text),
    )
    row = V * 5 * 2  # bytes of a sample
    model = make(
        **REGRESS, cache_teacher=True, cache_megabytes=2.5 * row / 2**20
    )
    views, data = prepared(model, raw_views()), samples()
    first = model.teach(views, data)
    again = model.teach(views, data)
    assert len(said) == 1
    assert 'full: 2 samples in' in said[0]
    assert len(model.cache) == 2
    assert model.cache.missing([(i, 0) for i in range(N)]) == [2, 3, 4, 5]
    for before, after in zip(first[0], again[0], strict=True):
        torch.testing.assert_close(after, before, rtol=2e-3, atol=2e-3)
        assert torch.equal(after, after.half().float())
    (_, seen) = model.teachers[0].tower.seen
    assert len(seen) == 4 * V
    with pytest.raises(ValueError, match='cache_megabytes'):
        make(**REGRESS, cache_teacher=True, cache_megabytes=-1)


def test_cached_features_give_the_same_losses():
    plain, cached = make(**BOTH), make(**BOTH, cache_teacher=True)
    views = raw_views()
    start = deepcopy(cached.state_dict())
    losses(cached, views)
    cached.load_state_dict(start)
    assert_same(
        losses(cached, views), losses(plain, views), rtol=1e-2, atol=1e-2
    )
    assert len(cached.teachers[0].tower.seen) == 1


def test_a_cache_needs_to_know_the_views():
    model = make(**BOTH, cache_teacher=True)
    views = prepared(model, raw_views())
    with pytest.raises(ValueError, match='fixed_views'):
        model.loss(views, [DataSample() for _ in range(N)])


def test_teachers_stay_out_of_weights_and_copies():
    teacher = FakeTeacher()
    model = make(teachers=[teacher], **BOTH)
    names = {name.split('.')[0] for name in model.state_dict()}
    assert names == {'backbone', 'neck', 'head', 'regression_head'}
    towers = {id(p) for p in teacher.parameters()}
    assert not towers & {id(p) for p in model.parameters()}
    assert not set(teacher.modules()) & set(model.modules())
    copy = deepcopy(model)
    assert copy.teachers[0] is teacher
    assert copy.backbone is not model.backbone
    model.train()
    assert not any(m.training for m in teacher.modules())


def test_teachers_follow_the_model_to_another_type_of_numbers():
    teacher = FakeTeacher()
    model = make(teachers=[teacher], **REGRESS)
    model.double()
    assert teacher.mean.dtype == torch.float64
    assert teacher.tower.linear.weight.dtype == torch.float64


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({}, 'needs `head`, `regression_head` or both'),
        ({'head': HEAD}, 'go together'),
        ({'neck': NECK, **REGRESS}, 'go together'),
        ({**REGRESS, 'mixup': 1.5}, r'mixup is a share in \[0, 1\], got 1.5'),
        ({**REGRESS, 'mixup': -0.1}, 'mixup is a share'),
        ({**REGRESS, 'mixup': 0.3, 'cache_teacher': True}, 'cache_teacher'),
        ({**REGRESS, 'teachers': []}, 'at least one teacher'),
        ({**REGRESS, 'teacher_view': 'whole'}, "or 'weak'.*got 'whole'"),
        ({**BOTH, 'teacher_view': 'weak'}, 'leave these out'),
    ],
)
def test_options_that_contradict_each_other(kwargs, message):
    kwargs = {'teachers': [FakeTeacher()], **kwargs}
    with pytest.raises(ValueError, match=message):
        CVGSSL(backbone=TinyNet(), **kwargs)


def test_a_head_needs_two_views():
    with pytest.raises(ValueError, match='at least 2'):
        losses(make(), raw_views((16,)))


def test_built_heads_are_taken_as_they_are():
    head = CVGSSLHead(7, 8, 9, teacher_widths=(5,))
    regression = FeatureRegressionHead(WIDTH, level_widths=(5,))
    model = make(neck=NECK, head=head, regression_head=regression)
    assert model.head is head
    assert model.regression_head is regression
    assert len(losses(model, raw_views())) == 4


def test_a_teacher_may_see_the_weak_view_and_the_student_the_crops():
    model, views = make(**REGRESS, teacher_view='weak'), raw_views()
    teacher = model.teachers[0]
    got = losses(model, views)
    (shown,), (seen,) = teacher.tower.seen, model.backbone.seen
    weak, *crops = prepared(model, views)
    images = model.to_unit_range(weak)
    torch.testing.assert_close(shown, teacher.preprocess(images))
    torch.testing.assert_close(seen, torch.cat(crops))
    student = deepcopy(model)
    rows = student.extract_feat(torch.cat(crops))
    targets = teacher.encode(images)[-1].repeat(V - 1, 1)
    expected = student.regression_head.loss(global_pool(rows), [targets])
    assert_same(got, expected)
    with pytest.raises(ValueError, match='set crop_scales of MultiCrop'):
        losses(model, views[:1])
