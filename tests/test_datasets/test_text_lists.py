"""Lists as editors, shells and spreadsheets write them, for every reader."""

import codecs

import numpy as np
import pytest
from PIL import Image

from mmcvgssl.apis import list_images
from mmcvgssl.datasets import OneClassDataset, SurfaceImages
from mmcvgssl.datasets.image_list import ImageList
from mmcvgssl.datasets.preparation.splits import read_fixed
from mmcvgssl.datasets.text_lists import read_lines, read_paths, read_text

NAMES = ('größe 1.png', 'b/表面.png', 'c.png')
WESTERN = ('größe 1.png', 'b/maß.png', 'c.png')
BIG = codecs.BOM_UTF16_BE
# how a list is written: names, bytes, and `encoding` if it must be named
WRITTEN = {
    'utf-8': (NAMES, lambda text: text.encode(), ''),
    'utf-8 and mark': (NAMES, lambda text: text.encode('utf-8-sig'), ''),
    'mark, named': (NAMES, lambda text: text.encode('utf-8-sig'), 'UTF-8'),
    'crlf': (NAMES, lambda text: text.replace('\n', '\r\n').encode(), ''),
    'cr': (NAMES, lambda text: text.replace('\n', '\r').encode(), ''),
    'no last end': (NAMES, lambda text: text.rstrip('\n').encode(), ''),
    'blank lines': (NAMES, lambda text: f'\n \n{text}\t\n'.encode(), ''),
    'utf-16': (NAMES, lambda text: text.encode('utf-16'), ''),
    'utf-16, big': (NAMES, lambda t: BIG + t.encode('utf-16-be'), ''),
    'utf-16, named': (NAMES, lambda t: BIG + t.encode('utf-16-be'), 'utf-16'),
    'utf-16-le, marked': (
        NAMES,
        lambda text: text.encode('utf-16'),
        'UTF_16LE',
    ),
    'utf-16, no mark': (NAMES, lambda t: t.encode('utf-16-le'), 'utf-16-le'),
    'utf-32': (NAMES, lambda text: text.encode('utf-32'), ''),
    'cp1252': (WESTERN, lambda text: text.encode('cp1252'), 'cp1252'),
    'mac': (WESTERN, lambda text: text.encode('mac-roman'), 'mac-roman'),
    'gbk': (NAMES[1:], lambda text: text.encode('gbk'), 'gbk'),
}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    pixels = np.zeros((8, 8), np.uint8)
    for name in {*NAMES, *WESTERN}:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def paths_of(data_set, root):
    infos = [data_set.get_data_info(i) for i in range(data_set.n_images)]
    return [str(info['img_path']).removeprefix(f'{root}/') for info in infos]


# each reads a list with class indices, or without
def maps(root, file, encoding):
    return list_images(file, root, encoding)[1]


def images(root, file, encoding):
    options = dict(data_root=str(root), encoding=encoding)
    return paths_of(ImageList(list_file=str(file), **options), root)


def surface(root, file, encoding):
    options = dict(data_root=str(root), encoding=encoding, pipeline=[])
    return paths_of(SurfaceImages(ann_file=str(file), **options), root)


def labelled(root, file, encoding):
    found = SurfaceImages(
        data_root=str(root),
        ann_file=str(file),
        encoding=encoding,
        with_label=True,
        min_classes=1,
        pipeline=[],
    )
    return paths_of(found, root)


def one_class(root, file, encoding):
    found = OneClassDataset(
        data_root=str(root),
        ann_file=str(file),
        encoding=encoding,
        layout='folder',
        split='test',
        pipeline=[],
    )
    return paths_of(found, root)


def fixed(root, file, encoding):
    labels = dict.fromkeys((*NAMES, *WESTERN), 0)
    return [path for path, _ in read_fixed(file, labels, {}, encoding)]


READERS = {
    reader.__name__: (reader, end)
    for reader, end in [
        *((maps, ''), (images, ''), (surface, ''), (labelled, ' 0')),
        *((one_class, ' 0'), (fixed, '\t0')),
    ]
}


@pytest.mark.parametrize('how', WRITTEN)
def test_every_list_is_read(root, tmp_path, how):
    names, encode, encoding = WRITTEN[how]
    file = tmp_path / 'list.txt'
    file.write_bytes(encode(''.join(f'{name}\n' for name in names)))
    assert read_paths(file, root, encoding) == list(names)


@pytest.mark.parametrize('how', ['mark, named', 'crlf', 'utf-16', 'cp1252'])
@pytest.mark.parametrize('name', READERS)
def test_every_reader_reads_them(root, tmp_path, how, name):
    reader, end = READERS[name]
    names, encode, encoding = WRITTEN[how]
    file = tmp_path / 'list.txt'
    file.write_bytes(encode(''.join(f'{n}{end}\n' for n in names)))
    assert sorted(reader(root, file, encoding)) == sorted(names)


WRONG = [
    ('a.png\ngröße.png'.encode('cp1252'), '', r'0xf6 on line 2'),
    (b'a.png\n\xff', 'ascii', r'ascii.*0xff on line 2'),
    ('a.png'.encode('utf-16-le'), '', 'zero bytes.*utf-16-le'),
    (codecs.BOM_UTF16_LE + b'a', '', r'list\.txt: expected text in utf-'),
    (b'a.png', 'cp12525', "Python knows.*got 'cp12525'"),
    (b'a.png', 'base64', "Python knows.*got 'base64'"),
]


@pytest.mark.parametrize(
    ('name', 'data', 'encoding', 'message'),
    [
        *[('images', *row) for row in WRONG],
        *[(name, *WRONG[0]) for name in READERS if name != 'images'],
    ],
)
def test_what_cannot_be_read_names_file_and_option(
    root, tmp_path, name, data, encoding, message
):
    file = tmp_path / 'list.txt'
    file.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        READERS[name][0](root, file, encoding)
    text = str(caught.value)
    assert str(file) in text
    assert 'Python knows' in text or '--encoding' in text
    assert '\n' not in text


@pytest.mark.parametrize('name', [n for n in READERS if n != 'fixed'])
def test_paths_of_windows_are_explained(root, tmp_path, name):
    reader, end = READERS[name]
    file = tmp_path / 'list.txt'
    file.write_text(f'c.png{end}\nb\\表面.png{end}\n', 'utf-8')
    with pytest.raises(ValueError, match=r'as in b/表面\.png') as caught:
        reader(root, file, '')
    assert f'{file}:2' in str(caught.value)


@pytest.mark.parametrize('name', ['maps', 'images', 'surface'])
def test_spaces_of_a_name_are_kept_and_others_left_out(tmp_path, name):
    pixels = Image.fromarray(np.zeros((8, 8), np.uint8))
    for own in (' a.png', 'b.png', 'c\x85.png', 'd\u2028.png'):
        pixels.save(tmp_path / own)
    file = tmp_path / 'list.txt'
    file.write_text(' a.png\n  b.png \nc\x85.png\nd\u2028.png\n', 'utf-8')
    found = READERS[name][0](tmp_path, file, '')
    assert found == [' a.png', 'b.png', 'c\x85.png', 'd\u2028.png']


def test_lines_say_where_they_stand(tmp_path):
    file = tmp_path / 'list.txt'
    file.write_bytes(b'\xef\xbb\xbfa\r\n\r\n b ')
    assert read_lines(file) == [(f'{file}:1', 'a'), (f'{file}:3', ' b ')]
    file.write_bytes(b'')
    assert read_text(file) == ''
    assert read_lines(file) == []


@pytest.mark.parametrize('place', ['classes', 'metainfo'])
def test_a_file_of_class_names_is_a_list_too(root, tmp_path, place):
    names = tmp_path / 'classes.txt'
    names.write_text('gut\ngrößer\n', 'utf-16')
    given = {'classes': str(names)}
    file = tmp_path / 'list.txt'
    file.write_text('c.png 0\n')
    found = SurfaceImages(
        data_root=str(root),
        ann_file=str(file),
        with_label=True,
        min_classes=1,
        pipeline=[],
        **(given if place == 'classes' else {'metainfo': given}),
    )
    assert found.CLASSES == ('gut', 'größer')


@pytest.mark.parametrize(
    'line',
    ['c.png', 'c.png x', '0', 'c.png -1', 'c.png 1.0', 'c.png 99999999999999'],
)
def test_a_line_without_a_class_is_named(root, tmp_path, line):
    file = tmp_path / 'list.txt'
    file.write_text(f'c.png 0\n{line}\n')
    with pytest.raises(ValueError, match=r'path class_index') as caught:
        labelled(root, file, '')
    assert f'{file}:2' in str(caught.value)


# lines of a list in data/, and the images below data/ or what the error says
PLACES = [
    ('a/1.png\n./a/1.png\nb/../a//1.png\n', ['a/1.png']),
    ('../data/a/1.png\n', ['a/1.png']),
    ('{root}/data/a/1.png\n', ['a/1.png']),
    ('a/1.png\n../1.png\n', r'1 path \(\.\./1\.png\) out of .*set --root'),
    ('/elsewhere/1.png\n', r'1 path \(.*/elsewhere/1\.png\) out of'),
]


@pytest.mark.parametrize(('text', 'expected'), PLACES)
def test_images_of_maps_lie_below_their_folder(tmp_path, text, expected):
    file = tmp_path / 'data' / 'list.txt'
    file.parent.mkdir()
    file.write_text(text.format(root=tmp_path))
    if isinstance(expected, list):
        assert list_images(file) == (tmp_path / 'data', expected)
        return
    with pytest.raises(ValueError, match=expected):
        list_images(file)
    assert list_images(file, inside=False)[1]  # to fit to, as they lie
