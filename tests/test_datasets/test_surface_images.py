"""Folders and lists of images, whole and broken."""

import random
from itertools import islice

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from PIL import Image
from torch.utils.data import DataLoader

from mmcvgssl.datasets import (
    ImageList,
    SurfaceImages,
    TooManyUnreadableError,
)
from mmcvgssl.datasets.reading import UnreadableImageError, read
from tests.data import CLASSES, picture, write_broken, write_classes
from tests.data import write_images as write

META = ('sample_idx', 'img_path', 'view_set')
PIPELINE = [
    {'type': 'mmcvgssl.LoadImage', 'depth_range': (0, 65535)},
    {
        'type': 'mmcvgssl.MultiCrop',
        'view_size': 12,
        'crop_scales': [(0.2, 0.6)] * 2,
        'weak_transforms': [{'type': 'mmpretrain.RandomFlip', 'prob': 0.5}],
        'crop_transforms': [
            {'type': 'mmpretrain.ColorJitter', 'brightness': 0.5}
        ],
    },
    {'type': 'mmpretrain.PackInputs', 'meta_keys': META},
]


def make(folder, **kwargs) -> SurfaceImages:
    kwargs = {'pipeline': PIPELINE, **kwargs}
    return SurfaceImages(data_root=str(folder), **kwargs)


def names(data_set) -> list[str]:
    paths = [
        data_set.get_data_info(i)['img_path'] for i in range(len(data_set))
    ]
    return [path.rsplit('/', 1)[-1] for path in paths]


def views(data_set, idx: int) -> np.ndarray:
    return torch.stack(data_set[idx]['inputs']).numpy()


def loader(data_set, workers: int, **kwargs) -> DataLoader:
    return DataLoader(
        data_set,
        batch_size=2,
        num_workers=workers,
        collate_fn=default_collate,
        **kwargs,
    )


# what is found


def test_any_nesting_any_case_and_nothing_else(tmp_path):
    for name in ('b.PNG', 'x/a.jpg', 'x/y/z/c.Tiff', 'x/d.bmp', 'e.webp'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(0).save(path)
    (tmp_path / 'x' / 'notes.txt').write_text('no picture')
    (tmp_path / 'folder.png').mkdir()
    data_set = make(tmp_path)
    found = ['b.PNG', 'e.webp', 'a.jpg', 'd.bmp', 'c.Tiff']
    assert names(data_set) == found
    assert data_set[4]['data_samples'].sample_idx == 4


def test_lists_may_be_read_instead(tmp_path):
    write(tmp_path, 4)
    lists = tmp_path / 'splits'
    lists.mkdir()
    (lists / 'train.txt').write_text('02.png\ndeeper/01.png\n')
    (lists / 'labelled.txt').write_text('02.png 1\ndeeper/01.png 0\n')
    plain = make(tmp_path, ann_file='train.txt', split_dir='splits')
    assert names(plain) == ['02.png', '01.png']
    labelled = make(
        tmp_path,
        ann_file='labelled.txt',
        split_dir=str(lists),
        with_label=True,
    )
    assert list(labelled.get_gt_labels()) == [1, 0]
    assert labelled.CLASSES == ('0', '1')


def test_ignore_counts_for_lists_and_says_what_it_does_not_find(tmp_path):
    write(tmp_path, 4)
    (tmp_path / 'old.txt').write_text(
        f'00.png 0\n./deeper/01.png 1\n{tmp_path}/deeper/03.png 1\n02.png 1\n'
    )
    options = {'ann_file': 'old.txt', 'ignore': ['deeper/', 'depeer']}
    labelled = make(tmp_path, **options, with_label=True)
    assert names(labelled) == ['00.png', '02.png']
    assert list(labelled.get_gt_labels()) == [0, 1]
    left_out = {'named by ignore': ['deeper/01.png', 'deeper/03.png']}
    assert labelled.contents.left_out == left_out
    # a list need not hold what is ignored, a folder should
    assert '1 pattern (depeer) of ignore' in labelled.contents.notes[0]
    assert labelled.contents.warnings == []
    (tmp_path / 'old.txt').write_text('00.png\ndeeper/01.png\n')
    assert names(make(tmp_path, **options)) == ['00.png']
    chosen = ImageList(
        str(tmp_path),
        paths=['00.png', 'deeper/01.png'],
        pipeline=PIPELINE,
        ignore='deeper',
    )
    assert names(chosen) == ['00.png']
    with pytest.raises(
        ValueError, match=r'all images are left out by ignore \(\*\)'
    ):
        make(tmp_path, ann_file='old.txt', ignore='*')

    (tmp_path / 'empty').mkdir()
    walked = make(tmp_path, ignore=['deeper', 'empty', 'Deeper', '*.jpeg'])
    assert names(walked) == ['00.png', '02.png']
    (warning,) = walked.contents.warnings
    assert warning.startswith('2 patterns (Deeper, *.jpeg) of ignore leaves')


def test_classes_have_the_names_beside_their_list(tmp_path):
    write(tmp_path, 2)
    (tmp_path / 'lists').mkdir()
    (tmp_path / 'lists/a.txt').write_text('00.png 1\ndeeper/01.png 0\n')
    names_of = tmp_path / 'lists/classes.txt'
    given = dict(ann_file='a.txt', split_dir='lists', with_label=True)

    names_of.write_text('iron ash\nrust\ndent\n')
    data_set = make(tmp_path, **given)
    assert data_set.CLASSES == ('iron ash', 'rust', 'dent')
    own = dict(classes=('a', 'b'))
    assert make(tmp_path, **given, metainfo=own).CLASSES == ('a', 'b')
    names_of.write_text('rust\nrust\n')
    with pytest.raises(ValueError, match='each class once, got rust, rust'):
        make(tmp_path, **given)
    names_of.write_text('rust\n')
    with pytest.raises(ValueError, match='has the class index 1'):
        make(tmp_path, **given)


@pytest.mark.parametrize('kind', [SurfaceImages, ImageList])
def test_a_data_set_ends_as_a_list_does(tmp_path, kind):
    write(tmp_path, 3)
    data_set = kind(str(tmp_path), pipeline=PIPELINE, repeat=2)

    def place(sample) -> str:
        return sample['data_samples'].img_path

    shown = [place(sample) for sample in islice(data_set, 9)]
    assert len(shown) == 6
    assert shown[:3] == shown[3:] == sorted({*shown})
    assert [place(data_set[i]) for i in range(-6, 0)] == shown
    assert np.array_equal(views(data_set, -1), views(data_set, 5))
    for idx in (6, -7):
        with pytest.raises(IndexError, match=f'no sample {idx}: there are 6'):
            data_set[idx]


def test_class_folders_give_labels(tmp_path):
    write_classes(tmp_path, 2)
    data_set = make(tmp_path, data_prefix='train', with_label=True)
    assert tuple(data_set.CLASSES) == CLASSES
    assert list(data_set.get_gt_labels()) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ('files', 'kwargs', 'expected'),
    [
        # thumbnails and lists are no classes
        (
            ['a/1.png', 'b/2.png', '@eaDir/3.png', '.c/4.png', 'mmcvgssl/5'],
            {},
            ('a', 'b'),
        ),
        (['a/1.png', 'b/x/2.png', 'old/3.png'], {'ignore': 'old'}, 'ab'),
        # the order of classes is that of the user
        (['a/1.png', 'b/2.png'], {'classes': ['b', 'a']}, ('b', 'a')),
        # an index does not depend on what a folder holds
        (['a/1.png', 'b/2.png'], {'classes': ['a', 'c', 'b']}, 'acb'),
        (['a/1.png', 'b/2.png', 'c/3.txt'], {}, 'without an image'),
        (['a/1.png', 'b/2.png', 'c/3.png'], {'classes': ['a', 'b']}, r'\(c\)'),
        (['a/1.png', '2.png'], {}, 'at least 2 classes'),
    ],
)
def test_class_folders_are_told_or_refused(tmp_path, files, kwargs, expected):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith('.png'):
            picture(0).save(tmp_path / name)
        else:
            (tmp_path / name).touch()
    if 'classes' in kwargs:
        kwargs = {'metainfo': {'classes': tuple(kwargs['classes'])}}
    if isinstance(expected, str) and len(expected) > 3:
        with pytest.raises(ValueError, match=expected):
            make(tmp_path, with_label=True, **kwargs)
        return
    data_set = make(tmp_path, with_label=True, **kwargs)
    assert tuple(data_set.CLASSES) == tuple(expected)
    for i in range(len(data_set)):
        info = data_set.get_data_info(i)
        folder = info['img_path'].removeprefix(f'{tmp_path}/').split('/')[0]
        assert data_set.CLASSES[info['gt_label']] == folder
    assert data_set.contents.used['images'] == len(data_set)


def test_a_class_folder_linked_beside_itself_is_refused(tmp_path):
    write_classes(tmp_path, 2)
    (tmp_path / 'train/today').symlink_to(tmp_path / 'train/rust')
    message = r'\(today\) without an image.*link to what .* 2 \(today/'
    with pytest.raises(ValueError, match=message):
        make(tmp_path, data_prefix='train', with_label=True)
    kwargs = {'data_prefix': 'train', 'with_label': True, 'ignore': 'today'}
    assert make(tmp_path, **kwargs).CLASSES == CLASSES


@pytest.mark.parametrize(
    ('text', 'kwargs', 'message'),
    [
        ('00.png\ngone.png\nlost.png\n', {}, r'2 images \(.*gone.*\) of 3'),
        ('00.png 0\ngone.png 1\n', {'with_label': True}, 'of 2 not in'),
        (
            '00.png 0\n./00.png 1\ndeeper/01.png 1\n',
            {'with_label': True},
            'listed more than once',
        ),
        (
            '00.png -1\ndeeper/01.png 1\n',
            {'with_label': True},
            'expected "path class_index"',
        ),
        (
            '00.png 1\ndeeper/01.png 2\n',
            {'with_label': True, 'metainfo': {'classes': ('a', 'b')}},
            'index 2, but indices are 0 to 1 for a, b',
        ),
    ],
)
def test_lists_that_do_not_fit_are_refused(tmp_path, text, kwargs, message):
    write(tmp_path, 2)
    (tmp_path / 'list.txt').write_text(text)
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        make(tmp_path, ann_file='list.txt', **kwargs)


def test_what_is_listed_twice_without_a_label_is_warned_of(tmp_path):
    write(tmp_path, 2)
    (tmp_path / 'list.txt').write_text('00.png\n00.png\ndeeper/01.png\n')
    data_set = make(tmp_path, ann_file='list.txt')
    assert len(data_set) == 3
    (warning,) = data_set.contents.warnings
    assert 'listed more than once, and used as often' in warning


def test_a_data_set_says_what_it_holds(tmp_path):
    write(tmp_path, 3)
    (tmp_path / 'notes.txt').touch()
    (tmp_path / '.hidden.png').touch()
    data_set = make(tmp_path)
    assert data_set.contents.summary() == (
        f'{tmp_path}: 3 images; left out: hidden: 1 (.hidden.png); no image '
        'by suffix: 1 (notes.txt)'
    )


@pytest.mark.parametrize(
    ('kwargs', 'error', 'message'),
    [
        ({'data_root': 'none'}, FileNotFoundError, 'set data_root'),
        ({'data_root': 'empty'}, ValueError, r'empty/?: no images.*\.png'),
        (
            {'data_root': 'empty', 'with_label': True},
            ValueError,
            'no images',
        ),
        (
            {'ann_file': 'no.txt'},
            FileNotFoundError,
            r'no\.txt.*mmcvgssl prepare',
        ),
        ({'ann_file': 'none.txt'}, ValueError, 'no images'),
        (
            {'ann_file': 'one.txt', 'with_label': True},
            ValueError,
            'at least 2 classes, found 1',
        ),
        (
            {'ann_file': 'bad.txt', 'with_label': True},
            ValueError,
            r'bad\.txt.*"path class_index"',
        ),
        ({'max_unreadable': 1.1}, ValueError, r'in \[0, 1\], got 1.1'),
        ({'max_unreadable': -0.1}, ValueError, 'share'),
        ({'fixed_views': -1}, ValueError, 'fixed_views is 0 or more, got -1'),
    ],
)
def test_what_is_missing_or_out_of_place_is_named(
    tmp_path, kwargs, error, message
):
    write(tmp_path, 2)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'one.txt').write_text('00.png 0\ndeeper/01.png 0\n')
    (tmp_path / 'bad.txt').write_text('00.png\n')
    (tmp_path / 'none.txt').write_text('')
    kwargs = dict(kwargs)
    folder = tmp_path / kwargs.pop('data_root', '')
    with pytest.raises(error, match=message):
        make(folder, **kwargs)


def test_one_class_folder_is_too_few_unless_allowed(tmp_path):
    write(tmp_path / 'train' / 'rust', 2)
    kwargs = {'data_prefix': 'train', 'with_label': True}
    with pytest.raises(ValueError, match='one folder per class'):
        make(tmp_path, **kwargs)
    assert len(make(tmp_path, min_classes=1, **kwargs)) == 2


# broken files among good ones


@pytest.fixture
def warned(warned):
    """Give the lines on broken files."""
    return lambda: [line for line in warned() if 'unreadable' in line]


@pytest.fixture
def mixed(tmp_path):
    """Eight readable files of all modes and three broken ones."""
    write(tmp_path, 3)
    for mode, suffix in (
        ('L', 'png'),
        ('RGBA', 'png'),
        ('CMYK', 'jpg'),
        ('P', 'png'),
    ):
        picture(1, mode=mode).save(tmp_path / f'mode_{mode}.{suffix}')
    deep = np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40
    Image.fromarray(deep).save(tmp_path / 'mode_deep.png')
    write_broken(tmp_path / 'broken')
    return tmp_path


@pytest.mark.parametrize('workers', [0, 2])
def test_broken_files_are_named_once_counted_and_skipped(
    mixed, workers, warned
):
    data_set = make(mixed, max_unreadable=0.5)
    assert len(data_set) == 11
    shown = []
    # one batch at a time, so that no two workers meet a file together
    batches = loader(
        data_set,
        workers,
        **({'persistent_workers': True} if workers else {}),
    )
    for epoch in range(3):
        data_set.set_epoch(epoch)
        for batch in batches:
            shown += [s.img_path for s in batch['data_samples']]
    assert len(shown) == 3 * 11
    assert not [path for path in shown if '/broken/' in path]
    assert {p.rsplit('/', 1)[-1] for p in shown} == {
        n for n in names(data_set) if n[0] in '0m'
    }
    assert data_set.n_unreadable == 3
    said = warned()
    for name in ('text.jpg', 'truncated.png', 'zero.png'):
        assert sum(name in line for line in said) == 1
    assert len(said) == 3
    assert 'skipping unreadable image 3 of 11' in '\n'.join(said)


@pytest.mark.parametrize('workers', [0, 1])
def test_too_many_broken_files_stop_the_run(mixed, workers):
    data_set = make(mixed, max_unreadable=0.2)
    with pytest.raises(
        TooManyUnreadableError, match=r'3 of 11 images.*max_unreadable'
    ):
        list(loader(data_set, workers))


def test_verify_drops_broken_files_at_once(mixed, warned):
    data_set = make(mixed, max_unreadable=0.5, verify=True)
    assert len(data_set) == 8
    assert data_set.n_unreadable == 3
    assert len(warned()) == 3
    assert not [n for n in names(data_set) if n[0] not in '0m']
    data_set.set_epoch(1)
    assert [data_set[i]['data_samples'].sample_idx for i in range(8)] == [
        *range(8)
    ]
    assert len(warned()) == 3


def test_verify_stops_at_too_many(mixed):
    with pytest.raises(TooManyUnreadableError, match=r'share of 0\.1 allowed'):
        make(mixed, verify=True)


def write_deep(folder, first: int, count: int) -> None:
    """Write pictures of 12 bits in files of 16."""
    folder.mkdir(exist_ok=True)
    for i in range(first, first + count):
        values = np.asarray(picture(i, mode='L')).astype(np.uint16) * 16
        Image.fromarray(values).save(folder / f'deep_{i}.png')


@pytest.mark.parametrize('inside', [False, True])
def test_verify_refuses_deep_files_as_the_pipeline_does(
    tmp_path, warned, inside
):
    load = {'type': 'mmcvgssl.LoadImage'}
    cached = {'type': 'mmcvgssl.Cached', 'transforms': [load]}
    pipeline = [cached if inside else load]
    write(tmp_path, 6)
    write_deep(tmp_path, 6, 2)
    options = {'pipeline': pipeline, 'max_unreadable': 0.3, 'verify': True}
    data_set = make(tmp_path, **options)
    assert data_set.n_images == 6
    assert data_set.n_unreadable == 2
    said = 'deep_7.png: its values are of 16 bits, and nothing says'
    assert any(said in text for text in warned())
    message = r'2 of 8 .*; the last: .*deep_7\.png: .*set depth_range='
    with pytest.raises(TooManyUnreadableError, match=message):
        make(tmp_path, **{**options, 'max_unreadable': 0.2})
    load['depth_range'] = (0, 4095)
    assert make(tmp_path, **options).n_images == 8


def test_verify_of_whole_files_says_nothing(tmp_path, warned):
    write(tmp_path, 3)
    data_set = make(tmp_path, verify=True)
    assert (len(data_set), data_set.n_unreadable) == (3, 0)
    assert not warned()


def test_a_file_that_breaks_after_verify_counts_on(mixed):
    data_set = make(mixed, max_unreadable=0.3, verify=True)
    path = data_set.get_data_info(0)['img_path']
    with open(path, 'wb'):
        pass
    with pytest.raises(TooManyUnreadableError, match='4 of 11'):
        data_set[0]


def test_tests_skip_nothing(mixed):
    data_set = make(mixed, max_unreadable=1.0, test_mode=True)
    broken = next(i for i, n in enumerate(names(data_set)) if n == 'zero.png')
    with pytest.raises(UnreadableImageError, match=r'zero\.png'):
        data_set[broken]


# random views


def test_views_depend_on_seed_epoch_and_sample_alone(tmp_path):
    write(tmp_path, 4)
    data_set = make(tmp_path)
    first = views(data_set, 2)
    views(data_set, 1)
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    assert np.array_equal(views(data_set, 2), first)
    assert np.array_equal(views(make(tmp_path), 2), first)
    assert not np.array_equal(views(make(tmp_path, seed=1), 2), first)
    data_set.set_epoch(1)
    assert not np.array_equal(views(data_set, 2), first)
    data_set.set_epoch(0)
    assert np.array_equal(views(data_set, 2), first)


@pytest.mark.parametrize('persistent', [False, True])
def test_views_do_not_depend_on_workers(mixed, persistent):
    def epochs(workers: int) -> list[np.ndarray]:
        data_set = make(mixed, max_unreadable=0.5)
        keep = {'persistent_workers': True} if persistent and workers else {}
        batches = loader(data_set, workers, **keep)
        found = []
        for epoch in range(2):
            data_set.set_epoch(epoch)
            found += [torch.stack(b['inputs'], 1).numpy() for b in batches]
        return found

    alone = epochs(0)
    assert len(alone) == 12
    for workers in (1, 2):
        for a, b in zip(alone, epochs(workers), strict=True):
            assert np.array_equal(a, b)


def test_a_known_broken_file_has_the_same_substitute(mixed):
    fresh = make(mixed, max_unreadable=0.5)
    broken = next(i for i, n in enumerate(names(fresh)) if n == 'zero.png')
    first = views(fresh, broken)
    np.random.seed(99)
    assert np.array_equal(views(fresh, broken), first)
    fresh.set_epoch(1)
    assert not np.array_equal(views(fresh, broken), first)


def test_a_substitute_is_found_among_many_broken_files(tmp_path):
    write(tmp_path, 1)
    content = (tmp_path / '00.png').read_bytes()
    for i in range(40):
        (tmp_path / f'broken{i}.png').write_bytes(content[:30])
    data_set = make(tmp_path, max_unreadable=1.0)
    for i in range(41):
        assert data_set[i]['data_samples'].img_path.endswith('00.png')
    assert data_set.n_unreadable == 40


def test_fixed_views_repeat(tmp_path):
    write(tmp_path, 3)
    data_set = make(tmp_path, fixed_views=2)
    shown, sets = [], []
    for epoch in range(5):
        data_set.set_epoch(epoch)
        shown.append(views(data_set, 1))
        sets.append(data_set[1]['data_samples'].view_set)
    assert sets == [0, 1, 0, 1, 0]
    assert np.array_equal(shown[0], shown[2])
    assert np.array_equal(shown[1], shown[3])
    assert np.array_equal(shown[0], shown[4])
    assert not np.array_equal(shown[0], shown[1])
    # the first sets are those of new views
    assert np.array_equal(shown[0], views(make(tmp_path), 1))


@pytest.mark.parametrize('crops', [0, 1, 4])
def test_a_file_is_decoded_once_whatever_the_number_of_views(
    tmp_path, monkeypatch, crops
):
    write(tmp_path, 2)
    calls = []
    open_image = read.OpenedImage

    def count(path, *args):
        calls.append(path)
        return open_image(path, *args)

    monkeypatch.setattr(read, 'OpenedImage', count)
    crop = {**PIPELINE[1], 'crop_scales': [(0.2, 0.6)] * crops}
    data_set = make(tmp_path, pipeline=[PIPELINE[0], crop, PIPELINE[2]])
    assert views(data_set, 0).shape == (1 + crops, 3, 12, 12)
    assert len(calls) == 1


# several passes as one epoch


def test_each_pass_has_views_of_its_own(tmp_path):
    write(tmp_path, 3)
    data_set, plain = make(tmp_path, repeat=4), make(tmp_path)
    assert (len(data_set), data_set.n_images) == (12, 3)
    for i in range(3):
        passes = [views(data_set, i + 3 * k) for k in range(4)]
        assert (passes[0] == views(plain, i)).all()
        for k in range(1, 4):
            assert not (passes[k] == passes[0]).all()
        paths = {data_set[i + 3 * k]['data_samples'].img_path for k in (0, 3)}
        assert len(paths) == 1


def test_a_broken_image_is_named_once_in_all_passes(tmp_path, warned):
    write(tmp_path, 4)
    (tmp_path / 'bad.png').write_bytes(b'none')
    data_set = make(tmp_path, repeat=3, max_unreadable=0.2)
    for i in range(len(data_set)):
        assert data_set[i]['data_samples'].img_path.endswith('png')
    assert data_set.n_unreadable == len(warned()) == 1


def test_no_pass_is_no_number_of_passes(tmp_path):
    write(tmp_path, 2)
    with pytest.raises(ValueError, match='repeat is a number of passes'):
        make(tmp_path, repeat=0)


@pytest.mark.parametrize('fixed', [0, 1, 2])
def test_views_of_one_number_are_the_same(tmp_path, fixed):
    write(tmp_path, 3)
    data_set = make(tmp_path, repeat=2, fixed_views=fixed)
    shown: dict = {}
    for epoch in range(3):
        data_set.set_epoch(epoch)
        for i in range(len(data_set)):
            sample = data_set[i]
            written = sample['data_samples']
            key = (written.sample_idx, written.view_set)
            view = torch.stack(sample['inputs'])
            assert torch.equal(shown.setdefault(key, view), view)
    count = 3 * 2 * min(fixed or 3, 3)
    assert len(shown) == count
    assert len({v.numpy().tobytes() for v in shown.values()}) == count


def test_a_part_counts_its_own_broken_files(mixed):
    data_set = make(mixed, max_unreadable=0.5)
    broken = next(i for i, n in enumerate(names(data_set)) if n == 'zero.png')
    assert data_set[broken] is not None
    part = data_set.get_subset([0, broken])
    assert (len(part), part.n_unreadable) == (2, 0)
    assert part[0]['data_samples'].img_path == names_of(data_set, 0)
    assert np.array_equal(views(part, -1), views(part, 1))


def names_of(data_set, i) -> str:
    return data_set.get_data_info(i)['img_path']
