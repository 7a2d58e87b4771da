"""NEU-DET's boxes from VOC to COCO."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import mmcvgssl  # noqa: F401  (makes mmdet importable)
from mmcvgssl.datasets.preparation import prepare_neu_det
from mmcvgssl.datasets.preparation.neu_cls import CLASSES
from tests.boxes import voc

SIZE = (20, 16)
# of an image k: corners as VOC counts them
CORNERS = [(1, 1, 20, 16), (3, 5, 3, 5), (2, 4, 11, 9)]


def objects_of(name: str, k: int) -> list:
    """Return k % 4 boxes, the second one of another class."""
    other = CLASSES[(CLASSES.index(name) + 1) % 6]
    names = [name, other, name]
    return list(zip(names, CORNERS, strict=True))[: k % 4]


def make(root: Path, images='images', annotations='annotations') -> Path:
    (root / images).mkdir(parents=True)
    (root / annotations).mkdir()
    grey = Image.fromarray(np.zeros(SIZE[::-1], np.uint8))
    for name in CLASSES:
        for k in range(1, 5):
            grey.save(root / images / f'{name}_{k}.jpg')
            file = root / annotations / f'{name}_{k}.xml'
            file.write_text(voc(objects_of(name, k)))
    return root


def fix(root: Path, **lists) -> Path:
    """Write fixed lists of numbers of images, of each class."""
    for split, numbers in lists.items():
        text = ''.join(
            f'images/{name}_{k}.jpg\t{i}\n'
            for i, name in enumerate(CLASSES)
            for k in numbers
        )
        (root / f'{split}.txt').write_text(text)
    return root


def read(out: Path, split: str) -> dict:
    return json.loads((out / f'{split}.json').read_text())


def boxes_of(document: dict) -> list[tuple]:
    """Return file name, category and box of each annotation."""
    names = {c['id']: c['name'] for c in document['categories']}
    files = {i['id']: i['file_name'] for i in document['images']}
    return [
        (files[a['image_id']], names[a['category_id']], a['bbox'])
        for a in document['annotations']
    ]


def test_fixed_lists_give_boxes_from_nought_with_a_width(tmp_path):
    lists = {'train': (1, 2, 3), 'test': (4,), 'train_05pct': (2,)}
    prepared = prepare_neu_det(fix(make(tmp_path), **lists))
    out = tmp_path / 'mmcvgssl'
    # by hand: 1..20 is 0 and 20 wide, pixel 3 is 2 and 1 wide
    boxes = [[0, 0, 20, 16], [2, 4, 1, 1], [1, 3, 10, 6]]
    for split, numbers in lists.items():
        expected = [
            (f'images/{name}_{k}.jpg', who, box)
            for name in CLASSES
            for k in numbers
            for (who, _), box in zip(objects_of(name, k), boxes, strict=False)
        ]
        document = read(out, split)
        assert boxes_of(document) == expected
        assert len(document['images']) == 6 * len(numbers)
        for image in document['images']:
            assert (image['width'], image['height']) == SIZE
            assert (tmp_path / image['file_name']).is_file()
        for number, content in enumerate(document['annotations'], 1):
            assert content['id'] == number
            assert content['area'] == content['bbox'][2] * content['bbox'][3]
            assert content['iscrowd'] == 0
        text = (out / f'{split}.txt').read_text().splitlines()
        assert text == [f'{p} {i}' for p, i in prepared.splits[split]]
    ids = {c['name']: c['id'] for c in read(out, 'train')['categories']}
    assert ids == {name: i for i, name in enumerate(CLASSES)}
    assert (out / 'classes.txt').read_text().split() == list(CLASSES)
    unlabelled = (out / 'train_unlabelled.txt').read_text().split()
    assert unlabelled == [path for path, _ in prepared.splits['train']]
    assert not (out / 'train_10pct.json').exists()
    assert 'boxes: train.json 36, test.json 0, train_05pct.json 12' in (
        prepared.summary()
    )
    assert not [p for p in out.iterdir() if p.name.startswith('.')]


def test_an_image_has_one_id_in_all_lists(tmp_path):
    lists = {'train': (1, 2, 3), 'test': (4,)}
    few = {'train_05pct': (3,), 'train_10pct': (2, 3)}
    prepare_neu_det(fix(make(tmp_path), **lists, **few))
    ids: dict[str, int] = {}
    for split in (*lists, *few):
        for image in read(tmp_path / 'mmcvgssl', split)['images']:
            known = ids.setdefault(image['file_name'], image['id'])
            assert known == image['id']
    assert sorted(ids.values()) == [*range(1, 25)]


def test_the_hosts_read_the_boxes(tmp_path):
    from mmdet.datasets import CocoDataset

    fix(make(tmp_path), train=(1, 2, 3), test=(4,))
    prepare_neu_det(tmp_path)
    file = tmp_path / 'mmcvgssl' / 'train.json'
    data_set = CocoDataset(
        ann_file=str(file),
        data_root=str(tmp_path),
        data_prefix={'img': ''},
        metainfo={'classes': CLASSES},
        pipeline=[],
        serialize_data=False,
    )
    assert len(data_set) == 18
    info = data_set[2]
    assert info['img_path'] == str(tmp_path / 'images/crazing_3.jpg')
    logged = [(i['bbox_label'], i['bbox']) for i in info['instances']]
    # x1, y1, x2, y2 with the right and lower end left out
    assert logged == [
        (0, [0, 0, 20, 16]),
        (1, [2, 4, 3, 5]),
        (0, [1, 3, 11, 9]),
    ]
    truth = COCO(str(file))
    found = truth.loadRes(
        [
            {k: a[k] for k in ('image_id', 'category_id', 'bbox')}
            | {'score': 0.5}
            for a in truth.dataset['annotations']
        ]
    )
    judge = COCOeval(truth, found, 'bbox')
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[0] == 1


def test_without_fixed_lists_half_of_each_class_is_drawn(tmp_path):
    root = make(tmp_path, 'IMAGES', 'ANNOTATIONS')
    drawn = [prepare_neu_det(root, seed=s).splits for s in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    for items in drawn[0].values():
        assert sorted(label for _, label in items) == sorted([*range(6)] * 2)
    names = {i['file_name'] for i in read(root / 'mmcvgssl', 'test')['images']}
    assert names == {path for path, _ in drawn[-1]['test']}
    assert all(name.startswith('IMAGES/') for name in names)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (voc([('crazing', (0, 1, 5, 5))]), 'corners from 1 to 20 and 16, got'),
        (voc([('crazing', (1, 1, 21, 5))]), 'got 1, 1, 21, 5'),
        (voc([('crazing', (6, 1, 5, 5))]), 'correct the box'),
        (voc([('crazing', (1, 1.5, 5, 5))]), 'no whole pixels'),
        (voc([('crazing', ('inf', 1, 5, 5))]), 'expected a VOC annotation'),
        (voc([('crazing', ('', 1, 5, 5))]), 'bndbox/xmin is missing'),
        (voc([('rust', (1, 1, 5, 5))]), "objects crazing, .*, got 'rust'"),
        (voc([('', (1, 1, 5, 5))]), 'name is missing'),
        (voc([], size=(21, 16)), r'crazing_1\.jpg: expected 21 x 16'),
        (voc([], size=('wide', 16)), "invalid literal for int.*'wide'"),
        ('<annotation>', 'no element found'),
        ('', 'no element found'),
        (voc([], head='<!DOCTYPE a [<!ENTITY b "c">]>'), 'entities'),
        (voc([], head='<!doctype a>'), 'a document type'),
    ],
)
def test_wrong_annotations_are_named(tmp_path, text, message):
    file = make(tmp_path) / 'annotations' / 'crazing_1.xml'
    file.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        prepare_neu_det(tmp_path)
    assert 'crazing_1' in str(caught.value)
    assert not (tmp_path / 'mmcvgssl').exists()


def test_entities_do_not_hide_in_another_encoding(tmp_path):
    text = voc([], head='<!DOCTYPE a [<!ENTITY b "c">]>')
    file = make(tmp_path) / 'annotations' / 'crazing_1.xml'
    for encoding in ('utf-16', 'utf-16-le', 'utf-16-be'):
        file.write_bytes(text.encode(encoding))
        with pytest.raises(ValueError, match='another encoding; these are'):
            prepare_neu_det(tmp_path)


@pytest.mark.parametrize(
    ('gone', 'message'),
    [
        ('images', 'no folder images'),
        ('annotations', 'no folder annotations'),
        ('images/*', 'no images'),
        ('images/crazing_2.jpg', 'without the other, the first is crazing_2'),
        ('annotations/scratches_*.xml', '4 images or annotations without'),
    ],
)
def test_wrong_trees_are_shown(tmp_path, gone, message):
    root = make(tmp_path)
    if '/' not in gone:
        (root / gone).rename(root / 'other')
    else:
        for path in root.glob(gone):
            path.unlink()
    with pytest.raises(ValueError, match=message) as caught:
        prepare_neu_det(root)
    expected, found = str(caught.value).split('Found in')
    assert 'annotations/crazing_1.xml' in expected
    there = '  images/' if '/' in gone else '  other/'
    assert there in found


def test_images_of_no_class_and_broken_ones_are_named(tmp_path):
    root = make(tmp_path)
    (root / 'images' / 'crazing_1.jpg').write_bytes(b'broken')
    with pytest.raises(
        ValueError, match=r'crazing_1\.jpg: the file is no image'
    ):
        prepare_neu_det(root)
    for folder, suffix in (('images', 'jpg'), ('annotations', 'xml')):
        (root / folder / f'crazing_1.{suffix}').unlink()
        old = root / folder / f'crazing_2.{suffix}'
        old.rename(root / folder / f'rust_2.{suffix}')
    with pytest.raises(ValueError, match=r'rust_2\.jpg: expected a name'):
        prepare_neu_det(root)


def test_few_images_are_of_those_to_train_on(tmp_path):
    root = fix(make(tmp_path), train=(1, 2), test=(3, 4), train_10pct=(2, 3))
    with pytest.raises(
        ValueError, match=r'train_10pct\.txt: expected .*crazing_3\.jpg'
    ):
        prepare_neu_det(root)
    fix(root, train_10pct=(2, 2))
    with pytest.raises(ValueError, match='list each image once'):
        prepare_neu_det(root)


def test_subcommand(tmp_path, tool):
    root = fix(make(tmp_path / 'data'), train=(1, 2), test=(3, 4))
    fix(root, train_05pct=(1,))
    out = tmp_path / 'out'
    code, said, _ = tool('prepare_data.py', 'neu-det', root, '--out', out)
    assert code == 0
    rows = [row.split() for row in said.splitlines()]
    assert rows[0] == ['train', 'test', 'train_05pct']
    assert ['total', '12', '12', '6'] in rows
    assert f'split_dir="{out}"' in said
    assert len(read(out, 'train_05pct')['images']) == 6
