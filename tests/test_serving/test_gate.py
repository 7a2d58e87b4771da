"""What comes through to the page, and from whom."""

from urllib.parse import urlsplit

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from mmcvgssl.serving.address import Address
from mmcvgssl.serving.gate import MAX_BODY, Gate

TOKEN = 'a-token-of-letters'


async def page(scope, receive, send):
    """Read all, and answer."""
    while (await receive()).get('more_body'):
        pass
    await PlainTextResponse('the page')(scope, receive, send)


def client(token=None, host='localhost:7860', follow=False):
    gate = Gate(page, token)
    return TestClient(gate, f'http://{host}', follow_redirects=follow)


@pytest.mark.parametrize(
    ('path', 'status'),
    [
        ('/', 200),
        ('/theme.css', 200),
        ('/assets/index.js', 200),
        ('/gradio_api/heartbeat/abc', 200),
        ('/images/key/1/thumb', 200),
        ('/results/key/results.zip', 200),
        ('/gradio_api/upload', 404),
        ('/gradio_api/file=/etc/passwd', 404),
        ('/gradio_api/file=http://example.org/', 404),
        ('/gradio_api/proxy=http://example.org/', 404),
        ('/file=/etc/passwd', 404),
        ('/config', 404),
        ('/gradio_api/info', 404),
        ('/gradio_api/call/load', 404),
        ('/gradio_api/vibe-edit', 404),
        ('/docs', 404),
    ],
)
def test_only_what_the_page_needs_is_answered(path, status):
    found = client().get(path)
    assert found.status_code == status
    assert "default-src 'self'" in found.headers['content-security-policy']
    assert found.headers['x-content-type-options'] == 'nosniff'


@pytest.mark.parametrize(
    ('host', 'status'),
    [
        ('localhost:7860', 200),
        ('127.0.0.1:7860', 200),
        ('127.1.2.3', 200),
        ('[::1]:7860', 200),
        ('page.localhost', 200),
        ('rebound.example.org:7860', 403),
        ('192.168.1.2:7860', 403),
        ('127.0.0.1.example.org', 403),
    ],
)
def test_other_names_of_this_machine_are_not_answered(host, status):
    assert client(host=host).get('/').status_code == status


@pytest.mark.parametrize(
    ('origin', 'status'),
    [
        ('http://localhost:7860', 200),
        ('http://localhost:7861', 403),
        ('http://example.org', 403),
        ('null', 403),
    ],
)
def test_other_pages_ask_in_vain(origin, status):
    asked = client().post('/images/key', headers={'origin': origin})
    assert asked.status_code == status


@pytest.mark.parametrize('method', ['PUT', 'DELETE', 'OPTIONS', 'PATCH'])
def test_other_methods_are_not_answered(method):
    assert client().request(method, '/').status_code == 405


def test_nothing_is_shown_without_the_token():
    with_token = client(TOKEN, '192.168.1.2:7860')
    for path in ('/assets/index.js', '/gradio_api/queue/data', '/images/a'):
        assert with_token.get(path).status_code == 401
        assert with_token.post(path).status_code == 401
    asked = with_token.get('/')
    assert asked.status_code == 401
    assert 'name="token"' in asked.text
    assert TOKEN not in asked.text


@pytest.mark.parametrize('given', ['', 'wrong', f'{TOKEN} ', TOKEN.upper()])
def test_a_wrong_token_opens_nothing(given, monkeypatch):
    monkeypatch.setattr('mmcvgssl.serving.gate._SLOW', 0)
    visitor = client(TOKEN, '192.168.1.2:7860')
    for answer in (
        visitor.get('/', params={'token': given}),
        visitor.post('/token', data={'token': given}),
        visitor.get('/', headers={'cookie': f'mmcvgssl-7860={given}'}),
        visitor.get('/', headers={'cookie': f'mmcvgssl-7860={TOKEN}'}),
    ):
        assert answer.status_code == 401
        assert 'set-cookie' not in answer.headers


@pytest.mark.parametrize(
    'token', [TOKEN, 'hall+2024', 'hall&2024', 'hall#2024', '100%25sure']
)
def test_the_link_that_is_printed_opens_the_page(token):
    address = Address.take(port=0, token=token)
    link = urlsplit(address.link)
    address.close()
    answer = client(token, link.netloc, True).get(f'/?{link.query}')
    assert answer.text == 'the page'


@pytest.mark.parametrize('how', ['link', 'form'])
def test_the_token_opens_the_page(how):
    visitor = client(TOKEN, '192.168.1.2:7860')
    if how == 'link':
        answer = visitor.get('/', params={'token': TOKEN})
    else:
        answer = visitor.post('/token', data={'token': TOKEN})
    assert answer.status_code == 303
    assert answer.headers['location'] == '/'
    cookie = answer.headers['set-cookie']
    assert 'HttpOnly' in cookie
    assert TOKEN not in cookie
    assert visitor.get('/').text == 'the page'
    # the link is typed again
    assert visitor.get('/', params={'token': TOKEN}).status_code == 303


def test_bodies_are_small_but_those_of_images():
    def parts(size):
        for _ in range(0, size, 10_000):
            yield b' ' * 10_000

    visitor = client()
    small, large = MAX_BODY // 2, MAX_BODY + 20_000
    join = '/gradio_api/queue/join'
    assert visitor.post(join, content=parts(small)).status_code == 200
    assert visitor.post(join, content=parts(large)).status_code == 413
    image = visitor.post('/images/key', content=parts(large))
    assert image.status_code == 200
