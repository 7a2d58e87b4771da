"""What stands between the network and the page."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)

UPLOADS = '/images/'
MAX_BODY = 1_000_000  # bytes, of all but images
# all that the page asks for; Gradio answers much else, which nobody needs
_PATHS = re.compile(
    r'/|/theme\.css|/favicon\.ico|/assets/.*|/static/.*'
    r'|/gradio_api/(queue/(join|data)|heartbeat/\w+|cancel)'
    r'|/(images|results|sessions)/.*'
)
_HEADERS = (
    (
        b'content-security-policy',
        b"default-src 'self'; script-src 'self' 'unsafe-inline' "
        b"'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' "
        b"data: blob:; font-src 'self' data:; connect-src 'self'; "
        b"object-src 'none'; frame-ancestors 'none'; form-action 'self'; "
        b"base-uri 'self'",
    ),
    (b'referrer-policy', b'same-origin'),
    (b'x-content-type-options', b'nosniff'),
)
_FORM = """<!doctype html><html lang="en"><meta charset="utf-8">
<title>mmcvgssl</title><body style="font:16px sans-serif;margin:4em">
<form method="post" action="/token"><p>{said}</p>
<input name="token" type="password" aria-label="token" autofocus>
<button>Open</button></form></body></html>"""
_ASKED = 'This page asks for the token that mmcvgssl serve has printed.'
_SLOW = 0.5  # seconds after a wrong token


class BodyTooLarge(Exception):
    """A request is larger than any of the page's."""


class Gate:
    """Lets requests of the page through, of those who know the token.

    ASGI middleware. Without a token, only names of this machine are answered,
    so that no page of elsewhere reaches it under a name of its own.

    Args:
        app: What is behind it.
        token: What visitors have to know; None: nothing.
    """

    def __init__(self, app: Any, token: str | None) -> None:
        self.app, self._token = app, token
        # the token itself stays out of browsers
        self._pass = secrets.token_urlsafe(32)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or hand on."""
        if scope['type'] != 'http':
            if scope['type'] == 'lifespan':
                await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = await self._answer(request)
        if answer is not None:
            await answer(scope, receive, _with_headers(send))
            return
        limited = receive
        if not request.url.path.startswith(UPLOADS):
            limited = _limited(receive)
        try:
            await self.app(scope, limited, _with_headers(send))
        except BodyTooLarge:
            too_large = PlainTextResponse('too large', 413)
            await too_large(scope, receive, _with_headers(send))

    async def _answer(self, request: Request) -> Response | None:
        """Return the answer; None: the page has one."""
        path = request.url.path
        if request.method not in ('GET', 'HEAD', 'POST'):
            return PlainTextResponse('not allowed', 405)
        if not _is_own(request):
            return PlainTextResponse('asked for by another page', 403)
        if self._token is None:
            name = request.url.hostname or ''
            if not _is_local(name):
                return PlainTextResponse(
                    f'{name} is no name of this machine: use localhost, or '
                    'start mmcvgssl serve with --token',
                    403,
                )
        elif not self._knows(request):
            return await self._ask(request)
        elif path == '/' and 'token' in request.query_params:
            return RedirectResponse('/', 303)
        return None if _PATHS.fullmatch(path) else _nothing()

    def _knows(self, request: Request) -> bool:
        """Whether the visitor has shown the token before."""
        try:
            jar = SimpleCookie(request.headers.get('cookie', ''))
        except CookieError:
            return False
        found = jar.get(self._cookie(request))
        return found is not None and _same(found.value, self._pass)

    async def _ask(self, request: Request) -> Response:
        """Take the token, or ask for it."""
        path, shown = request.url.path, None
        if request.method == 'POST' and path == '/token':
            shown = await _posted(request)
        elif request.method == 'GET' and path == '/':
            shown = request.query_params.get('token')
        if shown is None:
            if path != '/':
                return PlainTextResponse(_ASKED, 401)
            return HTMLResponse(_FORM.format(said=_ASKED), 401)
        if not _same(shown, self._token or ''):
            await asyncio.sleep(_SLOW)
            said = f'That is another token. {_ASKED}'
            return HTMLResponse(_FORM.format(said=said), 401)
        answer = RedirectResponse('/', 303)
        answer.set_cookie(
            self._cookie(request), self._pass, httponly=True, samesite='lax'
        )
        return answer

    def _cookie(self, request: Request) -> str:
        # cookies of all ports of a machine lie together
        return f'mmcvgssl-{request.url.port or 80}'


def _nothing() -> Response:
    return PlainTextResponse('there is no such page', 404)


def _is_own(request: Request) -> bool:
    """Whether no page of elsewhere asks for it."""
    origin = request.headers.get('origin')
    if origin is None:
        return True
    return urlsplit(origin).netloc == request.headers.get('host')


def _is_local(name: str) -> bool:
    if name == 'localhost' or name.endswith('.localhost'):
        return True
    try:
        return ipaddress.ip_address(name.strip('[]')).is_loopback
    except ValueError:
        return False


def _same(given: str, expected: str) -> bool:
    """Compare in a time that says nothing of the letters."""
    return hmac.compare_digest(given.encode(), expected.encode())


async def _posted(request: Request) -> str:
    body = b''
    async for part in request.stream():
        body += part
        if len(body) > 2000:
            return ''
    found = parse_qs(body.decode('utf-8', 'replace')).get('token', [''])
    return found[0]


def _with_headers(send: Any) -> Any:
    async def sent(message: Any) -> None:
        if message['type'] == 'http.response.start':
            message = {
                **message,
                'headers': [*message.get('headers', ()), *_HEADERS],
            }
        await send(message)

    return sent


def _limited(receive: Any) -> Any:
    size = 0

    async def received() -> Any:
        nonlocal size
        message = await receive()
        size += len(message.get('body', b''))
        if size > MAX_BODY:
            raise BodyTooLarge
        return message

    return received
