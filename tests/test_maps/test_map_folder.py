"""Folders of maps, whole and damaged."""

import io
import json
import pickle
import random

import numpy as np
import pytest
from PIL import Image

from mmcvgssl.datasets.transforms import UnreadableImageError, read_image
from mmcvgssl.maps import MapEntry, MapError, MapFolder, read_map
from mmcvgssl.maps.mapped_images import check_size, find_mapped_images
from mmcvgssl.maps.writer import MapWriter, paths_without_map
from mmcvgssl.provenance import (
    RECORD,
    FileState,
    Provenance,
    ProvenanceError,
    reading_in,
)
from tests.data import picture

AS_IT_IS = reading_in({})  # read without options
STATE = FileState(1, 2, 3, 'digest')
PATHS = ('a.png', 'sub/b.jpg', 'sub/deeper/c d.png')


def line(path, /, **changes) -> str:
    written = {
        'path': path,
        'map': path.rsplit('.', 1)[0] + '.npy',
        'size': [40, 40],
        'score': 1.5,
        'map_max': 0.75,
        'file': STATE.to_list(),
    }
    return json.dumps({**written, **changes})


@pytest.fixture
def folder(tmp_path):
    """Write images and their maps; the values tell the maps apart."""
    maps, images = tmp_path / 'maps', tmp_path / 'images'
    for i, path in enumerate(PATHS):
        file = maps / json.loads(line(path))['map']
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.full((3, 4 + i), i / 4, dtype=np.float16))
        (images / path).parent.mkdir(parents=True, exist_ok=True)
        picture(i).save(images / path)
    lines = [
        line(path, file=FileState.of(images / path).to_list())
        for path in PATHS
    ]
    write(maps, ''.join(f'{text}\n' for text in lines))
    Provenance({'model': 'Some'}).write(maps / RECORD)
    return maps


def write(maps, text) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (maps / 'manifest.jsonl').write_bytes(data)


def test_entries_and_maps_are_read(folder):
    maps = MapFolder(folder)
    assert len(maps) == 3
    assert [entry.path for entry in maps] == sorted(PATHS)
    assert maps['sub/b.jpg'] == MapEntry(
        'sub/b.jpg',
        'sub/b.npy',
        (40, 40),
        1.5,
        0.75,
        FileState.of(folder.parent / 'images/sub/b.jpg'),
    )
    assert 'a.png' in maps
    assert 'b.jpg' not in maps
    assert maps.settings == {'model': 'Some'}
    for i, path in enumerate(PATHS):
        written = maps.load_map(path)
        assert written.dtype == np.float32
        assert written.shape == (3, 4 + i)
        assert (written == i / 4).all()
    (folder / RECORD).unlink()
    assert MapFolder(folder).settings == {}


def test_the_order_of_lines_does_not_matter(folder):
    lines = (folder / 'manifest.jsonl').read_text().splitlines(True)
    expected = list(MapFolder(folder))
    random.Random(1).shuffle(lines)
    write(folder, ''.join(lines[::-1]))
    assert list(MapFolder(folder)) == expected


def test_the_last_line_of_a_path_holds(folder):
    with (folder / 'manifest.jsonl').open('a') as file:
        file.write(f'{line("a.png", score=2.0, map_max=0.5)}\n')
        file.write(f'{line("./a.png", score=3.0, map_max=0.25)}\n')
    maps = MapFolder(folder)
    assert len(maps) == 3
    assert maps['a.png'].score == 3.0
    assert maps['a.png'].map_max == 0.25


@pytest.mark.parametrize('ranks', [(1, 2), (2, 1), (12, 1), (3, 2)])
def test_lines_of_a_stopped_run_of_other_processes_do_not_win(tmp_path, ranks):
    out, names = tmp_path / 'maps', [f'{i:02}.png' for i in range(12)]
    todo, made = names, []
    for run, count in enumerate(ranks):
        for name in todo:
            (tmp_path / name).write_text(f'{run}')
        if run:
            todo = paths_without_map(out, tmp_path, names)
            assert todo == [names[0], names[-1]]
        for rank in range(count):  # stopped before the manifests are joined
            with MapWriter(out, rank=rank) as writer:
                for name in todo[rank::count]:
                    values = np.full((2, 2), run, np.float32)
                    state = FileState.of(tmp_path / name)
                    writer.write(name, values, (4, 4), run, state)
                    made.append(name)
        todo = [names[0], names[-1]]
    assert len(made) == 14
    assert paths_without_map(out, tmp_path, names) == []
    maps = MapFolder(out)
    for name in names:
        assert maps.entries[name].map_max == maps.load_map(name).max()
        assert maps.entries[name].file.holds(tmp_path / name)
    assert [path.name for path in out.glob('*.jsonl')] == ['manifest.jsonl']


def test_a_line_torn_anywhere_is_ignored(folder):
    whole = line('ü.png').encode('utf-8')
    whole = whole.replace(b'\\u00fc', 'ü'.encode())
    start = f'{line("a.png")}\n'.encode()
    for end in range(len(whole)):
        write(folder, start + whole[:end])
        assert list(MapFolder(folder).entries) == ['a.png'], whole[:end]
    write(folder, start + whole)  # only the end of the line is lacking
    assert list(MapFolder(folder).entries) == ['a.png', 'ü.png']


@pytest.mark.parametrize(
    'bad',
    [
        line('b.png')[:20],
        '',
        'null',
        '[]',
        '7',
        '{"path": "b.png"}',
        line('b.png', size=[40]),
        line('b.png', size=[40, 0]),
        line('b.png', size=[40, 2.5]),
        line('b.png', size='ab'),
        line('b.png', score=None),
        line('b.png', map_max=float('nan')),
        line('b.png', score=float('inf')),
        line('b.png', path=3),
        line('b.png', file=[1, 2]),
        line('b.png', path=''),
        line('b.png', path='/etc/b.png'),
        line('b.png', map='../b.npy'),
        b'\xff\xfe',
    ],
)
def test_other_malformed_lines_are_named(folder, bad):
    bad = bad if isinstance(bad, bytes) else bad.encode()
    good = line('a.png').encode()
    write(folder, good + b'\n' + bad + b'\n' + good + b'\n')
    with pytest.raises(MapError, match=r'manifest\.jsonl:2: expected path'):
        MapFolder(folder)


def test_a_whole_last_line_without_its_end_is_checked(folder):
    write(folder, line('a.png') + '\n' + line('b.png', size=[0, 0]))
    with pytest.raises(MapError, match=r'manifest\.jsonl:2: '):
        MapFolder(folder)


def test_two_images_cannot_share_a_map(folder):
    write(folder, f'{line("a.png")}\n{line("a.jpg")}\n')
    with pytest.raises(MapError, match=r'a\.jpg and a\.png share'):
        MapFolder(folder)


@pytest.mark.parametrize('text', ['', line('a.png')[:9]])
def test_an_empty_manifest_is_an_error(folder, text):
    write(folder, text)
    with pytest.raises(MapError, match='lists no map'):
        MapFolder(folder)


@pytest.mark.parametrize('text', ['{"model"', '[1]'])
def test_a_malformed_record_is_an_error(folder, text):
    (folder / RECORD).write_text(text)
    with pytest.raises(ProvenanceError, match=r'provenance\.json does not'):
        MapFolder(folder)


def test_nothing_is_made_of_images_that_have_no_map(folder, tmp_path):
    picture(0).save(tmp_path / 'images/extra.png')
    chosen = tmp_path / 'images' / 'list.txt'
    chosen.write_text('extra.png\n')
    with pytest.raises(MapError, match='no image in'):
        find_mapped_images(MapFolder(folder), chosen, allow_missing=True)


def test_a_folder_without_a_manifest_names_the_tool(folder, tmp_path):
    (folder / 'manifest.jsonl').unlink()
    for path in (folder, tmp_path / 'gone'):
        with pytest.raises(FileNotFoundError, match='mmcvgssl maps'):
            MapFolder(path)
    (folder / 'manifest.0.jsonl').touch()
    with pytest.raises(FileNotFoundError, match='has not finished them'):
        MapFolder(folder)


class Evil:
    """Would run code where a pickle is read."""

    def __reduce__(self):
        return exec, ('raise SystemExit("code was run")',)


def npy(values) -> bytes:
    with io.BytesIO() as buffer:
        np.save(buffer, values)
        return buffer.getvalue()


def npz() -> bytes:
    with io.BytesIO() as buffer:
        np.savez(buffer, map=np.zeros((3, 3)))
        return buffer.getvalue()


NAN = np.array([[0.0, np.nan]], dtype=np.float32)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (npy(np.array([[Evil()]], dtype=object)), 'pickled objects'),
        (pickle.dumps(Evil()), 'pickled objects'),
        (b'no map at all', 'no .npy file'),
        (b'', 'cannot be read'),
        (npy(np.zeros((9, 9)))[:100], 'cannot be read'),
        (npy(np.zeros((9, 9)))[:-5], 'cannot be read'),
        (npz(), 'NpzFile'),
        (npy(np.zeros((3, 3), dtype=np.uint8)), 'uint8'),
        (npy(np.zeros((1, 3, 3))), r'\[1, 3, 3\]'),
        (npy(np.zeros((0, 3))), r'\[0, 3\]'),
        (npy(NAN), 'NaN'),
        (npy(np.full((2, 2), np.inf, dtype=np.float16)), 'infinite'),
    ],
)
def test_a_map_that_is_none_is_refused(folder, content, message):
    (folder / 'a.npy').write_bytes(content)
    maps = MapFolder(folder)
    with pytest.raises(MapError, match=message) as caught:
        maps.load_map('a.png')
    with pytest.raises(MapError, match=message):  # read alone, too
        read_map(folder / 'a.npy')
    assert str(folder / 'a.npy') in str(caught.value)
    assert 'mmcvgssl maps' in str(caught.value)
    assert maps.load_map('sub/b.jpg').shape == (3, 5)


def test_a_missing_map_is_named(folder):
    (folder / 'a.npy').unlink()
    maps = MapFolder(folder)
    with pytest.raises(FileNotFoundError, match=r'missing: .*a\.npy'):
        maps.load_map('a.png')
    with pytest.raises(KeyError, match=r'x\.png has no map'):
        maps.load_map('x.png')


def test_images_of_a_folder_are_paired(folder, tmp_path):
    images = tmp_path / 'images'
    (images / 'notes.txt').touch()
    found = find_mapped_images(MapFolder(folder), images)
    assert found.root == images
    assert found.paths == sorted(PATHS)
    assert (found.without_map, found.not_listed) == ([], 0)


def test_images_without_a_map_are_an_error_unless_allowed(folder, tmp_path):
    images = tmp_path / 'images'
    for i in range(4):
        picture(i).save(images / f'new{i}.png')
    maps = MapFolder(folder)
    names = r'4 images \(new0\.png, new1\.png, new2\.png, \.\.\.\)'
    with pytest.raises(MapError, match=names) as caught:
        find_mapped_images(maps, images)
    assert '--allow-missing' in str(caught.value)
    found = find_mapped_images(maps, images, allow_missing=True)
    assert found.paths == sorted(PATHS)
    assert found.without_map == [f'new{i}.png' for i in range(4)]


def test_maps_without_their_image_are_an_error(folder, tmp_path):
    (tmp_path / 'images/a.png').unlink()
    maps = MapFolder(folder)
    with pytest.raises(MapError, match=r'1 map \(a\.png\) .* without an im'):
        find_mapped_images(maps, tmp_path / 'images', allow_missing=True)


def test_folders_to_skip_hold_no_images(folder, tmp_path):
    images = tmp_path / 'images'
    extra = images / 'preview'
    extra.mkdir()
    picture(0).save(extra / 'p.png')
    maps = MapFolder(folder)
    with pytest.raises(MapError, match=r'preview/p\.png'):
        find_mapped_images(maps, images)
    assert find_mapped_images(maps, images, skip=[extra]).without_map == []


def test_a_list_chooses_among_the_maps(folder, tmp_path):
    maps, images = MapFolder(folder), tmp_path / 'images'
    chosen = tmp_path / 'lists' / 'train.txt'
    chosen.parent.mkdir()
    # a class index may follow a tab
    chosen.write_text('sub/deeper/c d.png\t3\n\n./a.png\n')
    found = find_mapped_images(maps, chosen, images)
    assert found.paths == ['a.png', 'sub/deeper/c d.png']
    assert found.not_listed == 1
    inside = images / 'train.txt'
    inside.write_text('a.png\n')
    assert find_mapped_images(maps, inside).paths == ['a.png']


@pytest.mark.parametrize(
    ('text', 'error', 'message'),
    [
        ('a.png 0\n', FileNotFoundError, r'1 path \(a\.png 0\)'),
        ('gone.png\n', FileNotFoundError, r'gone\.png'),
        ('/a.png\n', ValueError, r'1 path \(/a\.png\) out of'),
        ('../other/a.png\n', ValueError, 'out of'),
        ('a.png\nextra.png\n', MapError, r'1 image \(extra\.png\)'),
        ('', ValueError, 'no images'),
        ('extra.png\n', MapError, '--allow-missing'),
    ],
)
def test_a_list_that_does_not_fit_is_refused(
    folder, tmp_path, text, error, message
):
    images = tmp_path / 'images'
    picture(0).save(images / 'extra.png')
    chosen = tmp_path / 'list.txt'
    chosen.write_text(text)
    with pytest.raises(error, match=message):
        find_mapped_images(MapFolder(folder), chosen, images)


def test_paths_that_make_no_sense_are_refused(folder, tmp_path):
    maps, images = MapFolder(folder), tmp_path / 'images'
    with pytest.raises(FileNotFoundError, match='folder of images or a list'):
        find_mapped_images(maps, tmp_path / 'gone')
    with pytest.raises(ValueError, match='is a folder'):
        find_mapped_images(maps, images, images)


@pytest.mark.parametrize('orientation', [None, 1, 3, 6, 8])
def test_sizes_are_those_of_the_upright_picture(tmp_path, orientation):
    file = tmp_path / 'a.jpg'
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    picture(0).resize((60, 20)).save(file, exif=exif)
    height, width = read_image(str(file)).shape[:2]
    check_size(file, (height, width), AS_IT_IS)
    with pytest.raises(MapError, match='60 x 21'):
        check_size(file, (60, 21), AS_IT_IS)


def test_a_file_that_is_no_picture_has_no_size(tmp_path):
    file = tmp_path / 'a.png'
    file.write_bytes(b'text')
    with pytest.raises(UnreadableImageError, match=r'a\.png'):
        check_size(file, (4, 4), AS_IT_IS)
