"""What the page asks for beside what Gradio answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask

from mmcvgssl.serving.pictures import KINDS, picture_of
from mmcvgssl.serving.results import table, write_results
from mmcvgssl.serving.served_model import NO_LABELS
from mmcvgssl.serving.session import Session, SessionEndedError
from mmcvgssl.serving.sessions import Sessions
from mmcvgssl.serving.uploads import (
    UploadError,
    receive,
    shown_name,
    suffix_of,
    too_large,
)

_STATES = {
    SessionEndedError: 410,
    KeyError: 404,
    ValueError: 409,
}


def add_routes(app: FastAPI, sessions: Sessions) -> None:
    """Add what the page asks for.

    - ``POST images/KEY?name=&position=``: takes an image.
    - ``GET images/KEY/NUMBER/KIND``: a picture of it, see :func:`picture_of`.
    - ``GET results/KEY/FILE``: predictions.csv, results.zip, or
      classifier.safetensors.
    - ``POST sessions/KEY/alive``, and ``/end``.

    Args:
        app: Gets the routes.
        sessions: The sessions, by KEY.
    """

    def failed(request: Request, error: Exception) -> JSONResponse:
        kind = next(k for k in _STATES if isinstance(error, k))
        text = str(error.args[0] if error.args else error)
        return JSONResponse({'error': text}, _STATES[kind])

    for kind in _STATES:
        app.exception_handler(kind)(failed)

    @app.exception_handler(UploadError)
    def refused(request: Request, error: UploadError) -> JSONResponse:
        return JSONResponse({'error': str(error)}, error.status)

    @app.post('/images/{key}')
    async def take(
        key: str, name: str, request: Request, position: int = 0
    ) -> dict[str, Any]:
        session = sessions.get(key)
        shown = shown_name(name, ())
        most = session.limits.max_bytes
        said = request.headers.get('content-length', '')
        if said.isdecimal() and int(said) > most:
            raise UploadError(too_large(shown, most), 413)
        number, path = session.reserve(suffix_of(shown))
        await receive(request.stream(), path, shown, most)
        try:
            return {'name': session.take(number, shown, path, position).name}
        except SessionEndedError:
            path.unlink(missing_ok=True)
            raise

    @app.get('/images/{key}/{number}/{kind}')
    def picture(key: str, number: int, kind: str) -> Response:
        session = sessions.get(key)
        if kind not in KINDS:
            raise KeyError(f'there is no picture {kind}')
        with _named(session):
            data = picture_of(session, number, kind)
        headers = {'cache-control': 'private, max-age=3600'}
        return Response(data, media_type='image/jpeg', headers=headers)

    @app.get('/results/{key}/predictions.csv')
    def rows(key: str) -> Response:
        return _attached(table(sessions.get(key)), 'predictions.csv')

    @app.get('/results/{key}/results.zip')
    def results(key: str) -> FileResponse:
        session = sessions.get(key)
        file = session.folder / f'{uuid4().hex}.zip'
        try:
            with _named(session):
                write_results(session, file)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        gone = BackgroundTask(_remove, file)
        return FileResponse(file, filename='results.zip', background=gone)

    @app.get('/results/{key}/classifier.safetensors')
    def model(key: str) -> Response:
        session = sessions.get(key)
        if session.labelling is None:
            raise KeyError(NO_LABELS)
        with _named(session):
            data = session.model_file()
        return _attached(data, 'classifier.safetensors')

    @app.post('/sessions/{key}/alive')
    def alive(key: str) -> dict[str, Any]:
        sessions.get(key)
        return {}

    @app.post('/sessions/{key}/end')
    def end(key: str) -> dict[str, Any]:
        sessions.end(key)
        return {}


@contextlib.contextmanager
def _named(session: Session) -> Iterator[Session]:
    """Name files in errors as the visitor does."""
    try:
        yield session
    except (OSError, ValueError) as error:
        raise ValueError(session.named(str(error))) from error


def _attached(data: bytes, name: str) -> Response:
    headers = {'content-disposition': f'attachment; filename="{name}"'}
    kind = 'text/csv' if name.endswith('.csv') else 'application/octet-stream'
    return Response(data, media_type=kind, headers=headers)


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()
