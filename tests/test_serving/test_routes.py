"""What the server answers to the page's own requests, and to others."""

import io
import os
import zipfile

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from mmcvgssl.serving.routes import add_routes
from tests.test_serving.test_sessions import huge_png, judge, png


@pytest.fixture
def asking(brightness, visitors):
    """Return sessions, and a client that asks the server."""

    def opening(**limits):
        sessions = visitors(brightness(), **limits)
        app = FastAPI()
        add_routes(app, sessions)
        return sessions, TestClient(app)

    return opening


def post(client, session, name, data, **headers):
    answer = client.post(
        f'/images/{session.key}',
        params={'name': name},
        content=data,
        headers=headers,
    )
    return answer.status_code, answer.json()


def test_an_image_is_taken_shown_and_judged(asking):
    sessions, client = asking()
    session = sessions.new()
    assert post(client, session, 'a.png', png(200)) == (200, {'name': 'a.png'})
    judge(session)
    home = f'/images/{session.key}/1'
    for kind in ('thumb', 'picture', 'drawn'):
        found = client.get(f'{home}/{kind}')
        assert found.headers['content-type'] == 'image/jpeg'
        assert found.content.startswith(b'\xff\xd8')
    found = client.get(f'/results/{session.key}/predictions.csv')
    assert found.text.splitlines()[1].startswith('a.png,0.78')
    found = client.get(f'/results/{session.key}/results.zip')
    with zipfile.ZipFile(io.BytesIO(found.content)) as archive:
        assert 'overlays/a.png.png' in archive.namelist()
    # what was made for it is gone
    assert not [*session.folder.glob('*.zip')]


@pytest.mark.parametrize(
    ('name', 'data', 'status', 'said'),
    [
        ('a.png', b'', 400, 'a.png is empty'),
        ('a.exe', b'x', 415, 'expected an image'),
        ('', b'x', 415, 'expected an image'),
        ('a.png', b'x' * 2001, 413, 'a.png has more than 0.002 MB'),
        ('a.png', iter([b'x' * 500] * 5), 413, 'a.png has more than 0.002 MB'),
    ],
)
def test_what_is_not_taken_is_said_and_not_there(
    name, data, status, said, asking
):
    sessions, client = asking(max_mb=0.002)
    session = sessions.new()
    found, answer = post(client, session, name, data)
    assert found == status
    assert said in answer['error']
    assert session.images == []
    assert [*session.folder.iterdir()] == []


def test_names_are_no_paths(asking, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp('elsewhere')
    sessions, client = asking()
    session = sessions.new()
    there = os.path.relpath(tmp_path / 'x.png', session.folder)
    for name in (there, str(tmp_path / 'x.png'), '../../x.png'):
        assert post(client, session, name, png(9))[0] == 200
    assert [*tmp_path.iterdir()] == []
    names = [path.name for path in session.folder.iterdir()]
    assert sorted(names) == [f'00000{i}.png' for i in (1, 2, 3)]
    shown = [image.name for image in session.images]
    assert shown == ['x.png', 'x (2).png', 'x (3).png']


def test_a_full_disk_is_said(asking, monkeypatch):
    sessions, client = asking()
    session = sessions.new()
    monkeypatch.setattr('mmcvgssl.serving.uploads.RESERVE', 1 << 62)
    status, answer = post(client, session, 'a.png', png(9))
    assert status == 507
    assert 'the disk of the server is full' in answer['error']


@pytest.mark.parametrize(
    'path',
    [
        '/images/KEY/2/thumb',
        '/images/KEY/1/something',
        '/images/OTHER/1/thumb',
        '/images/KEY/..%2F1/thumb',
        '/results/KEY/session.json',
        '/results/KEY/..%2F000001.png',
        '/results/OTHER/predictions.csv',
        '/results/KEY/classifier.safetensors',
    ],
)
def test_nothing_else_is_handed_out(path, asking):
    sessions, client = asking()
    session, other = sessions.new(), sessions.new()
    post(client, session, 'a.png', png(9))
    sessions.end(other.key)
    path = path.replace('KEY', session.key).replace('OTHER', other.key)
    assert client.get(path).status_code in (404, 410, 422)


def test_an_image_that_cannot_be_read_has_no_picture(asking):
    sessions, client = asking()
    session = sessions.new()
    post(client, session, 'a.png', huge_png())
    judge(session)
    found = client.get(f'/images/{session.key}/1/thumb')
    assert found.status_code == 409
    assert found.json()['error'].startswith('a.png: 20000 x 10000 pixels')


def test_a_session_ends_when_the_page_is_closed(asking):
    sessions, client = asking()
    session = sessions.new()
    post(client, session, 'a.png', png(9))
    assert client.post(f'/sessions/{session.key}/alive').status_code == 200
    assert client.post(f'/sessions/{session.key}/end').status_code == 200
    assert not session.folder.exists()
    assert client.post(f'/sessions/{session.key}/alive').status_code == 410
    status, answer = post(client, session, 'a.png', png(9))
    assert status == 410
    assert 'reload the page' in answer['error']
    assert client.post(f'/sessions/{session.key}/end').status_code == 200
