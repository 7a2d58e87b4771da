"""What is found in a visitor's images, and what is kept of them."""

import csv
import io
import json
import stat
import struct
import threading
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmcvgssl.predictions import DEFECTIVE, GOOD, AnomalyPrediction
from mmcvgssl.serving import view
from mmcvgssl.serving.pictures import picture_of
from mmcvgssl.serving.results import table, write_results
from mmcvgssl.serving.served_model import ServedModel
from mmcvgssl.serving.session import SessionEndedError
from mmcvgssl.serving.uploads import UploadError
from tests.model_files import write_others


def send(session, name, data, position=0):
    """Send a file, as the page does when all of it has come."""
    number, path = session.reserve(Path(name).suffix)
    path.write_bytes(data)
    return session.take(number, name, path, position)


def png(red, size=(20, 30)):
    """Return a picture of one red."""
    values = np.zeros((*size, 3), np.uint8)
    values[..., 0] = red
    file = io.BytesIO()
    Image.fromarray(values).save(file, 'png')
    return file.getvalue()


def judge(session):
    """Judge what has come; return verdicts or labels by name."""
    list(session.judge_all())
    rows = [found.row() for found in session.predictions()]
    return {row['path']: row.get('verdict') for row in rows}


def huge_png():
    """Return a PNG of 200 megapixels, in a few kilobytes."""

    def chunk(kind, data):
        body = kind + data
        length = struct.pack('>I', len(data))
        return length + body + struct.pack('>I', zlib.crc32(body))

    head = struct.pack('>IIBBBBB', 20_000, 10_000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(20_001) * 100)
    chunks = chunk(b'IHDR', head) + chunk(b'IDAT', rows) + chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + chunks


def animation():
    frames = [Image.new('L', (8, 8), 80 * i) for i in range(3)]
    file = io.BytesIO()
    frames[0].save(file, 'gif', save_all=True, append_images=frames[1:])
    return file.getvalue()


def deep():
    file = io.BytesIO()
    values = np.full((8, 8), 40_000, np.uint16)
    Image.fromarray(values).save(file, 'png')
    return file.getvalue()


def test_verdicts_follow_the_threshold(brightness, visitors):
    session = visitors(brightness()).new()
    for position, (name, red) in enumerate([('b.png', 200), ('a.png', 40)]):
        send(session, name, png(red), position)
    assert judge(session) == {'b.png': DEFECTIVE, 'a.png': GOOD}
    assert session.threshold == 0.5
    session.move_threshold(0.1)
    assert judge(session) == {'b.png': DEFECTIVE, 'a.png': DEFECTIVE}
    session.move_threshold(200 / 255)
    verdicts = judge(session)
    assert verdicts['a.png'] == GOOD
    with pytest.raises(ValueError, match='finite threshold'):
        session.move_threshold(float('nan'))
    session.move_threshold(None)
    assert judge(session) == {'b.png': DEFECTIVE, 'a.png': GOOD}
    rows = [*csv.DictReader(io.StringIO(table(session).decode()))]
    assert [row['path'] for row in rows] == ['b.png', 'a.png']
    assert float(rows[0]['score']) == pytest.approx(200 / 255)
    assert 'threshold 0.5' in view.summary(session)


def test_without_a_threshold_there_is_no_verdict(brightness, visitors):
    session = visitors(brightness(threshold=None)).new()
    send(session, 'a.png', png(200))
    assert judge(session) == {'a.png': None}
    assert 'no verdict' in view.grid(session)
    assert 'the model has none: move it' in view.slider(session)
    low, high = view.threshold_range(session)
    assert low < 200 / 255 < high
    session.move_threshold(0.1)
    assert judge(session) == {'a.png': DEFECTIVE}
    session.move_threshold(None)
    assert judge(session) == {'a.png': None}


@pytest.mark.parametrize(
    ('scores', 'threshold', 'low', 'high'),
    [
        ([], 0.5, 0.2, 0.8),
        ([0.1, 0.9], 0.5, 0.05, 0.95),
        ([1e-5], 1e-5, 5e-6, 1.5e-5),
        ([2000.0, 9000.0], 4000.0, 1500.0, 9500.0),
    ],
)
def test_the_slider_reaches_beyond_all_scores(
    scores, threshold, low, high, brightness, visitors
):
    session = visitors(brightness(threshold=threshold)).new()
    for i, score in enumerate(scores):
        image = send(session, f'{i}.png', b'x')
        image.prediction = AnomalyPrediction('', None, (1, 1), score=score)
    found = view.threshold_range(session)
    values = [*scores, threshold]
    assert found[0] < min(values)
    assert max(values) < found[1]
    assert found[0] == pytest.approx(low, abs=0.2 * (high - low))
    assert found[1] == pytest.approx(high, abs=0.2 * (high - low))
    # short numbers
    assert all(len(f'{end:g}') <= 7 for end in found)


def test_files_are_those_of_predictions(brightness, visitors, tmp_path):
    session = visitors(brightness()).new()
    send(session, 'a.png', png(200))
    send(session, '../../a.png', png(40))
    send(session, 'broken.png', b'no image')
    judge(session)
    write_results(session, tmp_path / 'results.zip')
    with zipfile.ZipFile(tmp_path / 'results.zip') as archive:
        assert archive.namelist() == [
            *('predictions.csv', 'predictions.json'),
            *('overlays/a.png.png', 'overlays/a (2).png.png'),
        ]
        assert archive.testzip() is None
        overlay = archive.read('overlays/a.png.png')
        assert Image.open(io.BytesIO(overlay)).size == (30, 20)
        text = archive.read('predictions.csv').decode()
        table_of_all = json.loads(archive.read('predictions.json'))
    assert str(session.folder) not in text
    assert 'broken.png: ' in text
    assert table_of_all['model']['kind'] == 'anomaly'
    assert table_of_all['threshold'] == 0.5
    assert table_of_all['chosen'] == {}
    assert len(table_of_all['images']) == 3


@pytest.mark.parametrize(
    ('name', 'data', 'said'),
    [
        ('a.png', b'no image', 'no image that is read'),
        ('a.png', huge_png(), '20000 x 10000 pixels are more than'),
        ('a.gif', animation(), '3 pictures'),
        ('a.png', deep(), 'depth_range'),
        ('a.png', png(9)[:60], ''),
        ('a.png', b'<svg xmlns="http://www.w3.org/2000/svg"/>', 'an SVG'),
        ('a.jpg', b'PK\x03\x04' + bytes(60), 'a ZIP archive'),
        ('a.tif', b'II*\0' + bytes(60), ''),
    ],
)
def test_what_cannot_be_read_is_said_by_its_name(
    name, data, said, brightness, visitors
):
    session = visitors(brightness()).new()
    send(session, 'good.png', png(40))
    image = send(session, name, data)
    found = judge(session)
    assert found['good.png'] == GOOD
    made = session.judged(image)
    assert not made.is_read
    assert made.error.startswith(f'{name}: ')
    assert said in made.error
    assert str(session.folder) not in made.error
    html = view.grid(session)
    assert f'1 of 2 cannot be read: {name}' in html
    assert '1 not read' in view.summary(session)


def test_two_visitors_have_nothing_in_common(brightness, visitors):
    sessions = visitors(brightness())
    one, other = sessions.new(), sessions.new()
    assert one.key != other.key
    image = send(one, 'a.png', png(200))
    send(one, 'b.png', png(200))
    judge(one)
    one.move_threshold(0.99)
    assert other.images == []
    assert other.threshold == 0.5
    send(other, 'mine.png', png(40))
    judge(other)
    assert [i.name for i in one.images] == ['a.png', 'b.png']
    assert [i.name for i in other.images] == ['mine.png']
    with pytest.raises(KeyError, match='no image 2'):
        picture_of(other, 2, 'picture')
    sessions.end(other.key)
    assert image.path.is_file()
    assert sessions.get(one.key) is one


def test_visitors_at_once_are_judged_right(brightness, visitors):
    sessions = visitors(brightness())
    reds = [30, 60, 190, 220]
    found = {}

    def visit(red):
        session = sessions.new()
        for i in range(40):
            send(session, f'{i}.png', png(red, (8, 12)), i)
        judge(session)
        found[red] = {p.row()['score'] for p in session.predictions()}

    threads = [threading.Thread(target=visit, args=(red,)) for red in reds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == reds
    for red, scores in found.items():
        (score,) = scores
        assert score == pytest.approx(red / 255)


def test_nothing_is_left(brightness, visitors):
    sessions = visitors(brightness())
    assert stat.S_IMODE(sessions.home.stat().st_mode) == 0o700
    session = sessions.new()
    assert stat.S_IMODE(session.folder.stat().st_mode) == 0o700
    image = send(session, 'a.png', png(200))
    judge(session)
    assert session.overlay_of(image).is_file()
    session.clear()
    assert session.images == []
    assert not [p for p in session.folder.rglob('*') if p.is_file()]
    send(session, 'b.png', png(200))
    assert judge(session) == {'b.png': DEFECTIVE}
    sessions.end(session.key)
    assert not session.folder.exists()
    for work in (
        lambda: sessions.get(session.key),
        lambda: session.take(9, 'a.png', image.path),
        lambda: list(session.judge_all()),
        session.clear,
    ):
        with pytest.raises(SessionEndedError, match='reload the page'):
            work()
    assert not session.folder.exists()
    other = sessions.new()
    sessions.__exit__()
    assert not other.folder.exists()
    assert not sessions.home.exists()


def test_sessions_without_a_sign_end(brightness, visitors):
    sessions = visitors(brightness(), patience=0.2)
    session = sessions.new()
    end = time.monotonic() + 10
    while session.folder.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not session.folder.exists()
    assert len(sessions) == 0


def test_sessions_and_images_are_limited(brightness, visitors):
    sessions = visitors(brightness(), sessions=2, max_images=2)
    first = sessions.new()
    sessions.new()
    with pytest.raises(SessionEndedError, match='2 visitors are here'):
        sessions.new()
    for i in range(2):
        send(first, f'{i}.png', png(9))
    with pytest.raises(UploadError, match='2 images at most'):
        first.reserve('.png')
    first.clear()
    first.reserve('.png')


def test_pages_show_all_images(brightness, visitors):
    session = visitors(brightness()).new()
    count = view.ON_PAGE + 5
    for i in range(count):
        send(session, f'{i}.png', png(2 * i + 1, (4, 6)), i)
    judge(session)
    pages = [view.grid(session, i, 'as sent') for i in (0, 1)]
    shown = [page.count('<figure') for page in pages]
    assert shown == [view.ON_PAGE, 5]
    assert 'page 2 of 2' in pages[1]
    worst = view.grid(session, 0, 'score')
    assert f'{count - 1}.png' in worst
    assert '>0.png<' not in worst
    assert view.grid(session, 99) == view.grid(session, 1)


def test_names_are_shown_as_they_are(brightness, visitors):
    session = visitors(brightness()).new()
    name = "${alert(1)} {{x}} `'&.png"
    image = send(session, name, png(200))
    judge(session)
    html = view.grid(session)
    assert image.name == name
    for sign in ('${', '{{', '`', "'&."):
        assert sign not in html
    assert 'alert(1)' in html


def test_boxes_follow_the_threshold(tmp_path, visitors):
    file = write_others(tmp_path)['detector']
    served = ServedModel(str(file))
    session = visitors(served).new()
    image = send(session, 'a.png', png(200, (64, 64)))
    list(session.judge_all())
    counts = []
    for threshold in (0.0, 0.2, 1.0):
        session.move_threshold(threshold)
        made = session.judged(image)
        assert all(b['score'] >= threshold for b in made.boxes)
        counts.append(made.count)
        assert picture_of(session, image.number, 'drawn')[:2] == b'\xff\xd8'
    assert counts[0] > 0
    assert counts[-1] == 0
    assert counts == sorted(counts, reverse=True)
    with pytest.raises(ValueError, match=r'in \[0, 1\]'):
        session.move_threshold(2.0)
    session.move_threshold(None)
    assert session.threshold == served.threshold


def test_classes_of_an_exported_model_are_shown(brightness, visitors):
    served = brightness('classifier', classes=['red', 'dark'])
    assert not served.learns
    assert 'classifier model Brightness, exported' in served.about
    session = visitors(served).new()
    send(session, 'a.png', png(230))
    list(session.judge_all())
    (made,) = session.predictions()
    assert made.label == 'red'
    html = view.grid(session)
    assert '>red<' in html
    assert 'red 0.902, dark 0.098' in html
    assert 'new class' not in html


def test_what_a_model_cannot_do_is_said(brightness, visitors):
    served = brightness()
    session = visitors(served).new()
    image = send(session, 'a.png', png(9))
    for wrong in (
        lambda: session.assign([image.number], 'pit'),
        session.model_file,
        served.labelling,
    ):
        with pytest.raises(ValueError, match='learns no labels'):
            wrong()
    with pytest.raises(ValueError, match=r'a\.png, which waits'):
        session.judged(image)
