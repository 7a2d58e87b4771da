"""Everything wrong with a file of boxes is named, with its id, at once."""

import copy
import json

import pytest
from PIL import ExifTags, Image

from mmcvgssl.datasets.coco_check import (
    AnnotationError,
    check_classes,
    check_coco,
)
from mmcvgssl.datasets.preparation import check_boxes
from mmcvgssl.runner.annotations import check_annotations, coco_sets
from tests.boxes import write_boxes
from tests.data import picture


@pytest.fixture
def good(tmp_path):
    for i in range(6):
        picture(i, 128).save(tmp_path / f'{i}.png')
    return write_boxes(tmp_path / 'boxes.json', ('dent', 'chip'))


def change(file, edit) -> None:
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def test_a_clean_file_has_no_problems(good, tmp_path):
    found = check_coco(good, tmp_path, ('dent', 'chip'), look='pixels')
    assert not found.problems
    assert found.images == 6
    assert found.boxes == {'dent': 3, 'chip': 3}
    found.raise_problems()


@pytest.mark.parametrize(
    ('edit', 'kind', 'line'),
    [
        (
            lambda h: h['annotations'][2].update(bbox=[100, 20, 48, 40]),
            'boxes outside their image',
            'annotation 2: [100, 20, 48, 40] in 128 x 128 pixels of 2.png',
        ),
        (
            lambda h: h['annotations'][1].update(bbox=[-9, 20, 48, 40]),
            'boxes outside their image',
            'annotation 1: [-9, 20, 48, 40] in 128 x 128',
        ),
        (
            lambda h: h['annotations'][3].update(bbox=[1, 2, 0, 4]),
            'boxes without an area',
            'annotation 3: [1, 2, 0, 4]',
        ),
        (
            lambda h: h['annotations'][3].update(bbox=[1, 2, 3]),
            'boxes that are not [x, y, width, height]',
            'annotation 3: [1, 2, 3]',
        ),
        (
            lambda h: h['annotations'][3].update(bbox=[1, 2, 3, float('nan')]),
            'boxes that are not [x, y, width, height]',
            'annotation 3: [1, 2, 3, nan]',
        ),
        (
            lambda h: h['annotations'][0].update(category_id=7),
            'unknown categories',
            'annotation 0: category 7',
        ),
        (
            lambda h: h['annotations'][0].update(image_id=70),
            'boxes without an image',
            'annotation 0: image 70',
        ),
        (
            lambda h: h['annotations'].append(h['annotations'][4]),
            'ids that stand twice in annotations',
            'id 4',
        ),
        (
            lambda h: h['images'].append({**h['images'][4], 'id': 9}),
            'images that stand twice',
            '4.png',
        ),
        (
            lambda h: h['images'][5].update(id=4),
            'ids that stand twice in images',
            'id 4',
        ),
        (
            lambda h: h['images'][5].update(file_name='x.png'),
            'missing images',
            'image 5: ',
        ),
        (
            lambda h: h['images'][5].update(width=99),
            'images of another size',
            '128 x 128 pixels, the file says 99 x 128',
        ),
        (
            lambda h: h['images'][5].pop('width'),
            'images without width and height',
            'image 5: 5.png',
        ),
        (
            lambda h: h['images'].append(
                {**h['images'][4], 'id': 9, 'file_name': './4.png'}
            ),
            'images that stand twice',
            '4.png',
        ),
        (
            lambda h: h['annotations'][3].pop('area'),
            'boxes without the key area',
            'annotation 3: width times height',
        ),
        (
            lambda h: h['annotations'][3].update(area=0),
            'boxes without an area',
            'annotation 3: area 0',
        ),
        (
            lambda h: h['annotations'][3].update(bbox=[1, 2, 0.5, 4]),
            'boxes thinner than a pixel',
            'annotation 3: [1, 2, 0.5, 4]',
        ),
        (
            lambda h: h['categories'][0].update(name='chip'),
            'names of categories that stand twice',
            'chip',
        ),
        (
            lambda h: h['annotations'].clear(),
            'no boxes at all',
            'learns nothing from good images alone',
        ),
    ],
)
def test_each_problem_is_named_with_its_id(good, tmp_path, edit, kind, line):
    change(good, edit)
    found = check_coco(good, tmp_path, look='pixels')
    assert any(line in said for said in found.problems[kind])
    with pytest.raises(AnnotationError, match='mmcvgssl prepare'):
        found.raise_problems()


def test_all_problems_come_at_once(good, tmp_path):
    def spoil(content):
        for entry in content['annotations']:
            entry['bbox'][2] = 0
        content['annotations'][0]['category_id'] = 7
        content['images'][0]['file_name'] = 'x.png'

    change(good, spoil)
    with pytest.raises(AnnotationError) as caught:
        check_coco(good, tmp_path).raise_problems(most=4)
    text = str(caught.value)
    for part in (
        *('without an area (6)', 'and 2 more', 'unknown categories (1)'),
        'missing images (1)',
    ):
        assert part in text


def test_a_rounded_box_may_stick_out_by_a_pixel(good, tmp_path):
    change(
        good,
        lambda h: h['annotations'][0].update(bbox=[100, 20, 28.9, 40]),
    )
    assert not check_coco(good, tmp_path).problems


def test_classes_count_in_the_files_order(good, tmp_path):
    found = check_coco(good, tmp_path, ('chip', 'dent'))
    (line,) = found.problems['classes in another order']
    assert "('dent', 'chip')" in line
    change(good, lambda h: h['categories'].insert(1, {'id': 9, 'name': 'x'}))
    assert not check_coco(good, tmp_path, ('dent', 'chip')).problems


def test_an_image_on_its_side_has_the_size_that_is_loaded(good, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image = Image.new('L', (40, 128))
    for i, kind in ((0, 'jpg'), (1, 'png')):
        image.save(tmp_path / f'side.{kind}', exif=exif)
        change(
            good,
            lambda h, i=i, k=kind: h['images'][i].update(
                file_name=f'side.{k}', width=128, height=40
            ),
        )
    change(
        good, lambda h: [a.update(bbox=[1, 1, 9, 9]) for a in h['annotations']]
    )
    assert not check_coco(good, tmp_path, look='pixels').problems
    change(good, lambda h: h['images'][0].update(width=40, height=128))
    found = check_coco(good, tmp_path, look='pixels')
    (line,) = found.problems['images of another size']
    assert 'side.jpg has 128 x 40 pixels' in line


def test_unreadable_image_is_named(good, tmp_path):
    (tmp_path / '3.png').write_bytes(b'no image')
    found = check_coco(good, tmp_path, look='pixels')
    (line,) = found.problems['images that cannot be read']
    assert line.startswith('image 3: ')


@pytest.mark.parametrize('progressive', [False, True])
@pytest.mark.parametrize('cut', [3, 400])
def test_a_photo_that_ends_too_early_is_named(
    good, tmp_path, progressive, cut
):
    file = tmp_path / '0.jpg'
    photo = picture(0, 128).resize((512, 512))
    photo.save(file, progressive=progressive)
    file.write_bytes(file.read_bytes()[:-cut])
    change(
        good,
        lambda h: h['images'][0].update(
            file_name='0.jpg', width=512, height=512
        ),
    )
    assert not check_coco(good, tmp_path, look='sizes').problems
    found = check_coco(good, tmp_path, look='pixels')
    (line,) = found.problems['images that cannot be read']
    assert '0.jpg' in line


@pytest.mark.parametrize(
    ('classes', 'kind'),
    [
        (('dent',), 'categories that the config does not list'),
        (
            ('dent', 'chip', 'hole'),
            'classes of the config that the file has not',
        ),
    ],
)
def test_classes_of_config_and_file_must_agree(good, tmp_path, classes, kind):
    assert kind in check_coco(good, tmp_path, classes).problems


@pytest.mark.parametrize('classes', ['dent', 3, ('dent', 4)])
def test_classes_that_are_no_list_of_names(classes):
    with pytest.raises(AnnotationError, match='classes is a tuple of names'):
        check_classes(classes)


@pytest.mark.parametrize('text', ['no json', '[]', '{"images": []}'])
def test_a_file_that_is_not_coco(tmp_path, text):
    file = tmp_path / 'boxes.json'
    file.write_text(text)
    with pytest.raises(AnnotationError, match='expected a COCO file'):
        check_coco(file)
    with pytest.raises(FileNotFoundError, match='check ann_file'):
        check_coco(tmp_path / 'none.json')


def test_a_config_is_checked_before_the_hosts_read_it(good, tmp_path):
    inner = {
        'type': 'mmdet.CocoDataset',
        'data_root': str(tmp_path),
        'ann_file': 'boxes.json',
        'data_prefix': {'img': ''},
        'metainfo': {'classes': ('dent', 'chip')},
    }
    wrapped = {
        'type': 'ConcatDataset',
        'datasets': [{'type': 'RepeatDataset', 'dataset': inner}],
    }
    assert list(coco_sets(wrapped)) == [inner]
    cfg = {'train_dataloader': {'dataset': wrapped}}
    check_annotations(cfg)
    bare = copy.deepcopy(cfg)
    (found,) = coco_sets(bare['train_dataloader']['dataset'])
    found['metainfo']['classes'] = 'dent'
    with pytest.raises(AnnotationError, match='bare string'):
        check_annotations(bare)
    (tmp_path / '0.png').unlink()
    with pytest.raises(AnnotationError, match='missing images'):
        check_annotations(cfg)


def test_the_tool_lists_all(good, tmp_path, tool):
    code, out, err = tool('prepare_data.py', 'check', good)
    assert code == 0, err
    assert '6 images, 6 boxes, no problem found' in out
    (tmp_path / '0.png').unlink()
    change(good, lambda h: h['annotations'][3].update(bbox=[1, 2, 0, 4]))
    code, _, _ = tool('prepare_data.py', 'check', good)
    assert code == 1
    with pytest.raises(AnnotationError) as caught:
        check_boxes(good)
    assert 'annotation 3' in str(caught.value)
    assert 'image 0' in str(caught.value)
