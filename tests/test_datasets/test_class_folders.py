"""Class folders: what prepare_data.py folder takes, tells and refuses."""

import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from mmcvgssl.apis import load_config
from mmcvgssl.datasets import SurfaceImages
from mmcvgssl.datasets.preparation import prepare_folder
from mmcvgssl.registry import DATASETS
from mmcvgssl.runner.options import OptionText
from tests.data import CONFIGS, picture

TWO = ['a/1.png', 'a/2.png', 'b/3.png', 'b/4.png']


def write(root, names) -> None:
    """Write masks where a name says so, texts, and else images."""
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix not in ('.png', '.jpg'):
            path.write_text('no picture')
        elif '_mask' in name:
            values = np.zeros((24, 24), np.uint8)
            values[3:9, 4:8] = 255
            Image.fromarray(values).save(path)
        else:
            picture(i, 24).save(path)


def test_what_ignore_does_not_find_is_told(tmp_path):
    write(tmp_path, [*TWO, 'rejects/5.png', 'rejects/6.png'])
    made = prepare_folder(tmp_path, ignore=['rejects/', 'rejcts*'])
    assert made.classes == ['a', 'b']
    assert '1 pattern (rejcts*) of ignore leaves nothing' in made.notes[0]
    for part in ('train', 'test'):
        write(tmp_path / 'parts' / part, [*TWO, 'old/5.png', 'a/odd/1.png'])
    ignore = ['old', 'train/a/odd']
    made = prepare_folder(tmp_path / 'parts', ignore=ignore)
    assert made.classes == ['a', 'b']
    assert [len(items) for items in made.splits.values()] == [4, 5]
    assert not [note for note in made.notes if 'ignore leaves' in note]


@pytest.mark.parametrize(
    ('more', 'note'),
    [
        (['@eaDir/5.png', 'a/.thumbs/6.png'], 'folders of the system: 1'),
        (['a/notes.txt', '.hidden/7.png'], 'no image by suffix: 1 (a/notes'),
        (['8.png'], 'in no class folder: 1 (8.png)'),
        (['p/predictions.json', 'p/overlays/1.png'], None),
        (['a/1_mask.png'], 'look like masks, but all are taken for images'),
    ],
)
def test_what_is_no_class_is_told(tmp_path, more, note):
    write(tmp_path, [*TWO, *more])
    if note is None:  # a folder of results alone would be an empty class
        with pytest.raises(ValueError, match='p has 0'):
            prepare_folder(tmp_path)
        assert prepare_folder(tmp_path, ignore=['p']).classes == ['a', 'b']
        return
    prepared = prepare_folder(tmp_path)
    assert prepared.classes == ['a', 'b']
    labels = Counter(k for items in prepared.splits.values() for _, k in items)
    assert labels == {0: 2 + ('mask' in more[0]), 1: 2}
    assert any(note in text for text in prepared.notes)
    again = prepare_folder(tmp_path)  # lists of its own are no class
    assert again.splits == prepared.splits


# names of two class folders, and why they are refused
ODD_CLASSES = [
    (('train', 'val'), 'name of a part of a data set'),
    (('Training', 'b'), 'name of a part of a data set'),
    (('Dent', 'dent'), "'Dent' and 'dent' differ by case, spaces or form"),
    (('a', 'a '), "'a' and 'a ' differ"),
    (('\u00f6l', 'o\u0308l'), r"'o\\u0308l' and '\\xf6l' differ"),
]


@pytest.mark.parametrize(('names', 'message'), ODD_CLASSES)
def test_names_that_are_no_classes_are_refused_unless_given(
    tmp_path, names, message
):
    write(tmp_path, [f'{name}/{i}.png' for name in names for i in range(2)])
    options = dict(with_label=True, pipeline=[], serialize_data=False)
    with pytest.raises(ValueError, match=message):
        prepare_folder(tmp_path)
    with pytest.raises(ValueError, match=message):
        SurfaceImages(str(tmp_path), **options)
    given = SurfaceImages(str(tmp_path), classes=names, **options)
    assert given.get_gt_labels().tolist().count(1) == 2


def test_a_class_is_named_once(tmp_path):
    write(tmp_path, TWO)
    with pytest.raises(ValueError, match='expected each class once'):
        SurfaceImages(str(tmp_path), with_label=True, classes=['a', 'b', 'a'])


def test_classes_of_a_list_without_an_image_are_warned_of(tmp_path):
    write(tmp_path, TWO)
    (tmp_path / 'list.txt').write_text('a/1.png 1\nb/3.png 2\n')
    found = SurfaceImages(
        str(tmp_path), 'list.txt', with_label=True, pipeline=[]
    )
    assert found.contents.warnings == ['classes without an image: 1 (0)']


# half of the copies are tested on, whatever the draw
@pytest.mark.parametrize(
    ('copies', 'note'),
    [
        (['b/9.png'], 'of another class have the very same content'),
        (['a/6.png', 'a/7.png', 'a/8.png', 'a/9.png'], 'content of training'),
        ([], None),
    ],
)
def test_copies_of_images_are_told(tmp_path, copies, note):
    write(tmp_path, TWO)
    for name in copies:
        shutil.copy(tmp_path / 'a/1.png', tmp_path / name)
    for name in ('a/empty.png', 'b/empty.png'):  # are no copies
        (tmp_path / name).touch()
    notes = prepare_folder(tmp_path).notes
    assert ['content' in text for text in notes] == [True] * (note is not None)
    assert note is None or note in notes[0]


def test_masks_among_images_without_labels_are_warned_of(tmp_path):
    write(tmp_path, ['a/1.jpg', 'a/2.jpg', 'a/1_mask.png', 'b/3.png'])
    data_set = SurfaceImages(str(tmp_path), pipeline=[], serialize_data=False)
    (warning,) = data_set.contents.warnings
    assert '1 file (a/1_mask.png) with the name of a mask' in warning
    without = SurfaceImages(
        str(tmp_path), pipeline=[], serialize_data=False, ignore='*_mask.png'
    )
    assert (len(without), without.contents.warnings) == (3, [])
    assert without.contents.left_out == {'named by ignore': ['a/1_mask.png']}


@pytest.mark.parametrize('name', ['multi_crop', 'two_views'])
def test_the_command_line_leaves_files_out(tmp_path, name):
    write(tmp_path, ['a/1.jpg', 'a/1_mask.png', 'old/2.png'])
    options = {'data_root': tmp_path, 'ignore': '*_mask.png,old'}
    cfg = load_config(
        CONFIGS / f'_base_/loaders/{name}.py',
        {key: OptionText(value) for key, value in options.items()},
    )
    for part in ('train_dataloader', 'val_dataloader'):
        written = cfg.get(part, {}).get('dataset')
        if written is not None and not written.get('ann_file'):
            data_set = DATASETS.build({**written, 'serialize_data': False})
            assert len(data_set) == 1
        elif part == 'train_dataloader':
            assert written.ignore == ['*_mask.png', 'old']
