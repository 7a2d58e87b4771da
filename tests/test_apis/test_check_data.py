"""Checks of whole data sets: what was planted is found."""

import json
import os
import shutil

import cv2
import numpy as np
import pytest

from mmcvgssl.apis import check_data, check_text
from mmcvgssl.reports import write_check
from tests.boxes import write_boxes
from tests.one_class_data import write_magnetic_tile, write_mvtec
from tests.surfaces import save_surface, surface, write_surfaces


def check(sets, **options):
    """Check without a network; return findings by kind."""
    options = {'features': None, 'workers': 0, **options}
    found = check_data(sets, **options)
    kinds = {}
    for finding in found.findings:
        kinds.setdefault(finding.kind, []).append(finding)
    return found, kinds


def lines(kinds, kind):
    return [e.line for finding in kinds[kind] for e in finding.examples]


@pytest.fixture
def split(tmp_path):
    """Write train and test folders of two classes."""
    root = tmp_path / 'set'
    write_surfaces(root / 'train', count=8)
    write_surfaces(root / 'test', count=4, first=1000)
    return root


def test_a_clean_set_has_no_errors_and_warnings(split):
    found, kinds = check(split)
    assert kinds == {}
    assert found.parts['train']['classes'] == {'dent': 8, 'rust': 8}
    assert found.parts['test']['classes'] == {'dent': 4, 'rust': 4}
    assert found.parts['train']['size'] == {'56 x 56': 16}
    assert not found.fails('warning')


def mirrored(picture):
    return picture[:, ::-1]


def turned(picture):
    return np.rot90(picture)


@pytest.mark.parametrize(
    ('change', 'end', 'level', 'severity'),
    [
        (None, '.png', 'same-file', 'error'),
        (None, '.bmp', 'same-pixels', 'error'),
        (mirrored, '.png', 'turned', 'error'),
        (turned, '.bmp', 'turned', 'error'),
        (None, '.jpg', 'near', 'warning'),
        (mirrored, '.jpg', 'near', 'warning'),
    ],
)
@pytest.mark.parametrize('where', ['leak', 'classes', 'copies'])
def test_planted_copies_are_found(split, change, end, level, severity, where):
    folder = {
        'leak': 'test/dent',
        'classes': 'train/rust',
        'copies': 'train/dent',
    }[where]
    copy = split / folder / f'planted{end}'
    if change is None and end == '.png':
        shutil.copy(split / 'train/dent/3.png', copy)
    else:
        picture = surface(3) if change is None else change(surface(3))
        cv2.imwrite(str(copy), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    found, kinds = check(split)
    of_copies = [k for k in kinds if k.startswith((*WHERE,))]
    assert of_copies == [f'{where}-{level}']
    (finding,) = kinds[f'{where}-{level}']
    expected = severity
    if where == 'copies':
        expected = 'note' if level == 'near' else 'warning'
    assert finding.severity == expected
    (example,) = finding.examples
    assert {os.path.relpath(file, split) for file in example.files} == {
        'train/dent/3.png',
        f'{folder}/planted{end}',
    }
    if change is mirrored and level == 'near':
        assert 'mirrored left to right; correlation 0.9' in example.line
    assert found.fails('error') == (expected == 'error')


WHERE = ('leak', 'classes', 'copies')


def test_copies_of_copies_are_one_group_a_level(split):
    for name in ('a', 'b'):
        shutil.copy(
            split / 'train/dent/0.png', split / f'train/dent/{name}.png'
        )
    cv2.imwrite(str(split / 'train/dent/c.png'), mirrored(surface(0)))
    small = cv2.resize(surface(0), (50, 50), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(split / 'test/dent/d.png'), small)
    _, kinds = check(split)
    assert [*kinds] == ['leak-near', 'copies-same-file', 'copies-turned']
    assert lines(kinds, 'copies-same-file') == [
        'train: dent/0.png (dent) = train: dent/a.png (dent) = '
        'train: dent/b.png (dent)'
    ]
    assert len(kinds['leak-near'][0].examples) == 1


def test_wrong_labels_are_found_by_a_network(tmp_path):
    root = tmp_path / 'set'
    for i in range(8):
        save_surface(root / 'rough' / f'{i}.png', i)
        smooth = cv2.GaussianBlur(surface(50 + i), (0, 0), 6)
        (root / 'smooth').mkdir(exist_ok=True)
        cv2.imwrite(str(root / f'smooth/{i}.png'), smooth)
    save_surface(root / 'smooth/wrong.png', 77)
    options = {'features': 'package:efficientnet-lite0', 'size': 64}
    _, kinds = check(root, **options)
    assert lines(kinds, 'labels') == [
        'set: smooth/wrong.png (smooth): rough? 100% of its neighbours'
    ]
    _, kinds = check(root, labelled=False, **options)
    assert [*kinds] == ['no-labels']


def test_files_that_differ_are_named(split):
    (split / 'train/dent/0.png').write_bytes(b'')
    data = (split / 'train/dent/1.png').read_bytes()
    (split / 'train/dent/cut.jpg').write_bytes(data[: len(data) // 2])
    cv2.imwrite(str(split / 'train/dent/black.png'), np.zeros((56, 56), 'u1'))
    deep = surface(90).astype(np.uint16) * 16
    cv2.imwrite(str(split / 'train/dent/deep.png'), deep)
    colour = cv2.merge([surface(91), surface(92), surface(93)])
    cv2.imwrite(str(split / 'train/dent/colour.png'), colour)
    save_surface(split / 'test/rust/small.png', 94, 20)
    cv2.imwrite(str(split / 'x.jpg'), surface(95))
    (split / 'x.jpg').rename(split / 'test/rust/x.png')
    found, kinds = check(split)
    assert [line.split(': ')[1] for line in lines(kinds, 'unreadable')] == [
        *('dent/0.png (dent)', 'dent/cut.jpg (dent)')
    ]
    assert lines(kinds, 'flat') == ['train: dent/black.png (dent), 0']
    assert lines(kinds, 'small') == ['test: rust/small.png (rust)']
    assert lines(kinds, 'suffix') == ['test: rust/x.png (rust): JPEG']
    assert lines(kinds, 'mixed-depth')[0] == (
        'train: dent/deep.png (dent): 1 of 16 bits'
    )
    assert '1 of colour' in lines(kinds, 'mixed-colours')[0]
    low, high = deep.min(), deep.max()
    said = kinds['depth-range'][0].text
    assert f'images of 16 bits use {low} to {high}' in said
    assert [f.severity for f in found.findings][:2] == ['error', 'warning']


def test_a_form_that_tells_classes_apart_is_named(tmp_path):
    write_surfaces(tmp_path / 'a/x', ('dent',), 4)
    for i in range(4):
        save_surface(tmp_path / f'a/x/rust/{i}.png', 50 + i, 48)
    _, kinds = check(tmp_path / 'a')
    (finding,) = kinds['told-by-size']
    assert 'dent: 56 x 56, rust: 48 x 48' in finding.text


def test_classes_of_parts_are_compared(split):
    shutil.move(split / 'train/rust/0.png', split / 'train/only.png')
    (split / 'train/only').mkdir()
    shutil.move(split / 'train/only.png', split / 'train/only/0.png')
    (split / 'train/empty').mkdir()
    write_surfaces(split / 'test', ('hole',), 2, 5000)
    _, kinds = check(split)
    assert lines(kinds, 'untrained-class') == ['hole']
    assert lines(kinds, 'untested-class') == ['only']
    assert lines(kinds, 'one-image') == ['only']
    assert lines(kinds, 'empty-class') == ['empty']
    assert kinds['untrained-class'][0].severity == 'error'


def test_a_set_of_lists_that_were_prepared(tmp_path):
    root = write_surfaces(tmp_path / 'set')
    home = root / 'mmcvgssl'
    home.mkdir()
    (home / 'classes.txt').write_text('dent\nrust\n')
    (home / 'train.txt').write_text(
        'dent/0.png 0\ndent/1.png 0\nrust/0.png 1\nrust/0.png 1\n'
        'dent/2.png 0\ndent/2.png 1\nrust/9.png 1\nrust/1.png 7\n'
    )
    (home / 'test.txt').write_text('dent/0.png 0\nrust/3.png 1\n')
    found, kinds = check(root)
    assert found.parts['train']['classes'] == {'7': 1, 'dent': 3, 'rust': 1}
    assert lines(kinds, 'leak-name') == ['train+test: dent/0.png (dent)']
    assert lines(kinds, 'listed-twice') == [
        'dent/2.png (0 and 1)',
        'rust/0.png',
    ]
    assert lines(kinds, 'missing') == ['rust/9.png']
    assert lines(kinds, 'class-index') == ['rust/1.png 7']
    assert len(kinds['not-listed'][0].examples) == 6


def test_lists_are_relative_to_root(tmp_path):
    root = write_surfaces(tmp_path / 'set')
    file = tmp_path / 'lists' / 'some.txt'
    file.parent.mkdir()
    file.write_text('dent/0.png\nrust/0.png\n')
    with pytest.raises(FileNotFoundError, match=r'none of its 2 .* --root'):
        check(file)
    found, kinds = check(file, root=root)
    assert found.parts['some']['images'] == 2
    assert [*kinds] == ['no-labels']


def test_masks_of_mvtec_are_looked_at(tmp_path):
    root = write_mvtec(tmp_path / 'set', names=('bolt',))
    _, kinds = check(root)
    masks = root / 'bolt/ground_truth/dent'
    assert not {k for k in kinds if k.startswith('mask')}
    (masks / '0_mask.png').unlink()
    cv2.imwrite(str(masks / '1_mask.png'), np.zeros((40, 40), 'u1'))
    cv2.imwrite(str(masks / '2_mask.png'), np.zeros((20, 40), 'u1'))
    (masks / '9_mask.png').write_bytes(b'')
    found, kinds = check(root)
    assert [*found.parts] == ['train', 'test']
    assert found.parts['test']['classes'] == {'dent': 3, 'good': 3}
    assert lines(kinds, 'mask-missing') == ['bolt/test/dent/0.png']
    assert lines(kinds, 'mask-empty') == ['bolt/test/dent/1.png']
    assert 'expected a mask of 40 x 40' in lines(kinds, 'mask-wrong')[0]
    texts = [finding.text for finding in kinds['layout']]
    assert any('9_mask.png' in text for text in texts)
    # only good images are trained on, which is as it should be
    assert 'untrained-class' not in kinds


def test_masks_beside_images_are_looked_at(tmp_path):
    root = write_magnetic_tile(tmp_path / 'set')
    shutil.rmtree(root / 'mmcvgssl')
    cv2.imwrite(str(root / 'MT_Crack/Imgs/1.png'), np.zeros((40, 40), 'u1'))
    (root / 'MT_Crack/Imgs/0.png').unlink()
    found, kinds = check(root)
    assert found.parts['set']['classes'] == {'MT_Crack': 3, 'MT_Free': 13}
    assert lines(kinds, 'mask-missing') == ['MT_Crack/Imgs/0.jpg']
    assert lines(kinds, 'mask-empty') == ['MT_Crack/Imgs/1.jpg']


@pytest.fixture
def coco(tmp_path):
    """Write images of 128 pixels and a COCO file; change entries of it."""
    for i in range(6):
        save_surface(tmp_path / f'{i}.png', i, 128)
    file = write_boxes(tmp_path / 'boxes.json', ['dent', 'rust'])

    def change(**lists):
        content = json.loads(file.read_text())
        for key, entries in lists.items():
            for i, entry in enumerate(entries):
                content[key][i] |= entry
        file.write_text(json.dumps(content))
        return file

    return change


def test_boxes_are_looked_at(coco):
    file = coco(
        annotations=[
            {'bbox': [100, 20, 48, 40]},
            {'bbox': [8, 8, 3, 40], 'area': 120},
            {'iscrowd': 1},
            {'image_id': 4, 'category_id': 1, 'bbox': [40, 21, 48, 40]},
        ],
        images=[{}, {}, {}, {}, {}, {'file_name': 'gone.png'}],
        categories=[{}, {}],
    )
    found, kinds = check(file)
    assert found.parts['boxes']['boxes'] == {'dent': 4, 'rust': 2}
    said = ' '.join(f'{f.severity} {f.text}' for f in kinds['boxes'])
    assert 'error boxes: boxes outside their image' in said
    assert lines(kinds, 'missing') == ['gone.png']
    assert lines(kinds, 'tiny-boxes') == [
        'annotation 1: 3 x 40 pixels in 1.png'
    ]
    assert lines(kinds, 'double-boxes') == ['annotations 3 and 4 in 4.png']
    ours, theirs, others = kinds['dropped']
    assert "boxes: this package's recipes use 6 images" in ours.text
    assert "mmdet's own recipes use 5 images" in theirs.text
    assert "mmyolo's own recipes use 6 images" in others.text
    reasons = [e.line.split(':')[0] for e in theirs.examples]
    assert any(r.startswith('images without a box') for r in reasons)
    assert any(r.startswith('crowds (iscrowd=1)') for r in reasons)


def test_a_box_of_a_wrong_class_is_found_beside_right_ones(tmp_path):
    images, boxes = [], []
    corners = [(4, 4), (68, 4), (4, 68), (68, 68)]
    for i in range(4):
        picture = np.full((128, 128, 3), 128, np.uint8)
        for k, (x, y) in enumerate(corners):
            patch = surface(10 * i + k, 56)
            smooth = (i + k) % 2
            if smooth:
                patch = cv2.GaussianBlur(patch, (0, 0), 6)
            picture[y : y + 56, x : x + 56] = patch[..., None]
            wrong = (i, k) == (2, 1)
            boxes.append(
                {
                    **{'id': len(boxes) + 1, 'image_id': i},
                    'category_id': int(bool(smooth) != wrong),
                    **{'bbox': [x, y, 56, 56], 'area': 3136, 'iscrowd': 0},
                }
            )
        cv2.imwrite(str(tmp_path / f'{i}.png'), picture)
        size = {'width': 128, 'height': 128}
        images.append({'id': i, 'file_name': f'{i}.png', **size})
    classes = [{'id': 0, 'name': 'rough'}, {'id': 1, 'name': 'smooth'}]
    content = dict(images=images, annotations=boxes, categories=classes)
    file = tmp_path / 'boxes.json'
    file.write_text(json.dumps(content))
    options = {'features': 'package:efficientnet-lite0', 'size': 64}
    _, kinds = check(file, **options)
    assert lines(kinds, 'box-labels') == [
        'boxes: 2.png [68, 4, 124, 60] (rough): smooth? 100% of its neighbours'
    ]
    boxes[9]['category_id'] = 1
    file.write_text(json.dumps(content))
    assert 'box-labels' not in check(file, **options)[1]


def test_names_of_classes_cannot_act_on_a_terminal(coco):
    name = 'dent\x1b[2J\nx'
    file = coco(
        categories=[{'name': name}],
        annotations=[{'category_id': 1}] * 5 + [{'category_id': 2}],
    )
    said = check_text(check(file)[0])
    assert '\x1b' not in said
    assert 'dent\\x1b[2J\\nx' in said


def test_nothing_dropped_is_said(coco):
    _, kinds = check(coco())
    assert [f.text for f in kinds['dropped']] == [
        'boxes: all images and boxes are used by the recipes of every host'
    ]
    _, kinds = check(coco(annotations=[{'bbox': 'x'}]))
    assert 'before boxes that are not [x, y, width' in kinds['dropped'][0].text


def test_parts_of_coco_files_leak_by_their_images(coco, tmp_path):
    file = coco()
    shutil.copy(file, tmp_path / 'other.json')
    _, kinds = check({'train': file, 'test': tmp_path / 'other.json'})
    assert len(lines(kinds, 'leak-name')) == 6


@pytest.mark.parametrize(
    ('make', 'error', 'message'),
    [
        (lambda root: root / 'empty', ValueError, 'no images; expected files'),
        (lambda root: root / 'none', FileNotFoundError, 'found no .*none'),
        (lambda root: [], ValueError, 'got none: name one'),
        (
            lambda root: {'train': root / 'a', 'test': root / 'link'},
            ValueError,
            'each set once, got .*link as train and as test',
        ),
        (
            lambda root: [root / 'a', root / 'b/a'],
            ValueError,
            'different names',
        ),
        (lambda root: root / 'a/dent/0.png', ValueError, 'name the folder'),
        (lambda root: root / 'no.json', ValueError, 'expected a COCO file'),
        (lambda root: root / 'none.json', ValueError, 'no images'),
        (lambda root: root / 'gone.json', FileNotFoundError, 'none of its 6'),
        (lambda root: root / 'empty.txt', ValueError, 'no images'),
    ],
)
def test_bad_sets_are_refused(tmp_path, make, error, message):
    for name in ('a', 'b/a'):
        write_surfaces(tmp_path / name, count=1)
    (tmp_path / 'link').symlink_to(tmp_path / 'a')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'no.json').write_text('{}')
    parts = ('images', 'annotations', 'categories')
    empty = json.dumps({part: [] for part in parts})
    (tmp_path / 'none.json').write_text(empty)
    write_boxes(tmp_path / 'gone.json', ['dent'])
    (tmp_path / 'empty.txt').write_text('\n')
    with pytest.raises(error, match=message):
        check(make(tmp_path))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'similarity': 0}, 'similarity is above 0'),
        ({'similarity': 1.5}, 'similarity is above 0'),
        ({'workers': -1}, 'workers is 0 or more'),
    ],
)
def test_bad_options_are_refused(split, options, message):
    with pytest.raises(ValueError, match=message):
        check(split, **options)


def test_an_empty_part_is_an_error(split):
    shutil.rmtree(split / 'test')
    (split / 'test/dent').mkdir(parents=True)
    found, kinds = check(split)
    assert kinds['empty-part'][0].text == 'test: no images at all'
    assert found.fails('error')


def test_class_folders_that_differ_by_case(tmp_path):
    root = write_surfaces(tmp_path / 'set', ('dent', 'Dent', 'rust'), 2)
    found, kinds = check(root)
    (finding,) = kinds['layout']
    assert 'differ by case' in finding.text
    assert found.parts['set']['classes'] == {'Dent': 2, 'dent': 2, 'rust': 2}


def test_images_beside_parts_are_named(split):
    save_surface(split / 'more/0.png', 500)
    save_surface(split / '1.png', 501)
    _, kinds = check(split)
    assert lines(kinds, 'not-listed') == ['1.png', 'more/0.png']


def test_masks_without_an_image_are_named(tmp_path):
    root = write_magnetic_tile(tmp_path / 'set')
    shutil.rmtree(root / 'mmcvgssl')
    (root / 'MT_Crack/Imgs/0.jpg').unlink()
    _, kinds = check(root)
    (finding,) = kinds['layout']
    assert finding.severity == 'error'
    assert 'MT_Crack/Imgs/0.png' in finding.text


def test_an_image_of_too_many_pixels_is_not_decoded(split, monkeypatch):
    monkeypatch.setenv('MMCVGSSL_MAX_PIXELS', '4000')
    save_surface(split / 'test/dent/large.png', 600, 80)
    _, kinds = check(split)
    (line,) = lines(kinds, 'unreadable')
    assert '80 x 80 pixels are more than max_pixels=4000' in line


def test_a_broken_file_among_boxes_is_named(coco, tmp_path):
    file = coco()
    (tmp_path / '2.png').write_bytes(b'x')
    save_surface(tmp_path / '3.png', 3, 100)
    _, kinds = check(file)
    assert lines(kinds, 'unreadable')[0].startswith('boxes: 2.png')
    (finding,) = kinds['boxes']
    assert finding.text == 'boxes: images of another size'
    assert '100 x 100' in finding.examples[0].line


def test_odd_trees_are_read(tmp_path):
    root = write_surfaces(tmp_path / 'set', ('ä dent', 'rust'), 2)
    (root / 'loop').symlink_to(root)
    (root / 'rust/line\nend.png').symlink_to(root / 'rust/0.png')
    (root / 'rust/broken.png').symlink_to(root / 'nothing.png')
    save_surface(root / 'rust/disguised.dat.png', 9).rename(
        root / 'rust/disguised.dat'
    )
    _, kinds = check(root)
    reasons = {f.text.split(', ')[1] for f in kinds['left-out']}
    assert reasons == {
        'link back to a folder above',
        'a name that lists of images cannot hold',
        'no regular file',
        'an image by content',
    }


def test_one_image_and_images_without_labels(tmp_path):
    save_surface(tmp_path / 'one/0.png', 0)
    found, kinds = check(
        tmp_path / 'one', features='package:efficientnet-lite0'
    )
    assert found.parts['one']['images'] == 1
    assert [*kinds] == ['no-labels']


def test_without_imagehash_the_extra_is_named(split, monkeypatch):
    monkeypatch.setattr(
        'mmcvgssl.compat.hosts._found', lambda name: name != 'imagehash'
    )
    with pytest.raises(ModuleNotFoundError, match=r'mmcvgssl\[check\]'):
        check(split)


def test_processes_find_the_same(split, tmp_path):
    (split / 'train/dent/0.png').write_bytes(b'x')
    found, _ = check(split)
    others, _ = check(split, workers=2)
    assert others.as_dict() == found.as_dict()
    out = tmp_path / 'out'
    files = write_check(found, out)
    assert [os.path.basename(file) for file in files] == [
        *('report.html', 'findings.json')
    ]
    assert json.loads((out / 'findings.json').read_text())['errors'] == 1
    write_check(others, out)
    assert not (out / 'earlier').exists()
    (split / 'train/dent/0.png').unlink()
    write_check(check(split)[0], out)
    assert (out / 'earlier').is_dir()


def test_names_cannot_act_in_the_page(tmp_path):
    name = '<script>alert(1)</script>'.replace('/', '\u2215')
    root = write_surfaces(tmp_path / 'set', (name, 'rust'), 2)
    shutil.copy(root / name / '0.png', root / 'rust/copy.png')
    found, _ = check(root)
    write_check(found, tmp_path / 'out')
    page = (tmp_path / 'out/report.html').read_text()
    assert '<script>alert' not in page
    assert '&lt;script&gt;alert' in page
    assert "script-src 'none'" in page
    assert page.count('data:image/jpeg') == 1
    assert 'plotly' not in page
