"""Running the server of the page."""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from mmcvgssl.progress import write_line
from mmcvgssl.serving.address import LOOPBACK, PORT, Address
from mmcvgssl.serving.limits import Limits
from mmcvgssl.serving.quiet_gradio import gradio


class Server(AbstractContextManager):
    """The page of a model, on an address.

    A context: at its end nobody is answered any more, and all that visitors
    have sent is deleted.

    Args:
        model: See :class:`~mmcvgssl.serving.served_model.ServedModel`.
        address: Where it listens; is closed at the end.
        limits: What a visitor may send.
        device: Device of the model; by default the GPU, if there is one.

    Raises:
        FileNotFoundError: If the model file is missing.
        ModuleNotFoundError: If Gradio is not installed.
        ValueError: If the model is none that can be served.
    """

    def __init__(
        self,
        model: str,
        address: Address,
        limits: Limits | None = None,
        device: str | None = None,
    ) -> None:
        gradio()
        from mmcvgssl.serving.served_model import ServedModel
        from mmcvgssl.serving.sessions import Sessions

        self.address, self._stack = address, ExitStack()
        self._stack.callback(address.close)
        with ExitStack() as until_ready:
            until_ready.push(self._stack)
            served = ServedModel(model, device)
            self.sessions = self._stack.enter_context(
                Sessions(served, limits or Limits())
            )
            self._server = _uvicorn(self.sessions, address)
            until_ready.pop_all()

    def run(self) -> None:
        """Answer until Ctrl-C or SIGTERM."""
        self._server.run(sockets=[self.address.socket])

    def start(self) -> None:
        """Answer in a thread of its own until the end of the context."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(setattr, self._server, 'should_exit', True)

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def serve(
    model: str,
    host: str = LOOPBACK,
    port: int = PORT,
    token: str | None = None,
    limits: Limits | None = None,
    device: str | None = None,
) -> None:
    """Serve the page of a model until Ctrl-C.

    Args:
        model: A model file, an exported one, or ``'package:NAME'``.
        host: Address of this machine; others than loopback need a token.
        port: Number; 0: one that is free.
        token: What visitors have to know; see :meth:`Address.take`.
        limits: What a visitor may send.
        device: Device of the model; by default the GPU, if there is one.

    Raises:
        FileNotFoundError: If the model file is missing.
        ModuleNotFoundError: If Gradio is not installed.
        OSError: If the address is in use, or cannot be had.
        ValueError: If the model or an option is none that can be served.
    """
    gradio()
    address = Address.take(host, port, token)
    write_line(f'loading {model}')
    with Server(model, address, limits, device) as server:
        write_line(f'serving on {address.link}')
        write_line('Ctrl-C ends it, and deletes all that was sent')
        server.run()


def _uvicorn(sessions: Any, address: Address) -> Any:
    import uvicorn
    from fastapi import FastAPI

    class Uvicorn(uvicorn.Server):
        """Cuts off pages that are still open, without a word."""

        async def shutdown(self, sockets: Any = None) -> None:
            logging.getLogger('uvicorn.error').setLevel(logging.CRITICAL)
            await super().shutdown(sockets)

    from mmcvgssl.serving.gate import Gate
    from mmcvgssl.serving.page import build_page
    from mmcvgssl.serving.routes import add_routes
    from mmcvgssl.serving.view import static

    gr = gradio()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_routes(app, sessions)
    gr.mount_gradio_app(
        app,
        build_page(sessions),
        path='/',
        allowed_paths=[],
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        pwa=False,
        # those of the visitor's machine: Gradio's own are Google's
        theme=gr.themes.Default(
            font=['system-ui', 'sans-serif'], font_mono=['monospace']
        ),
        css=static('page.css'),
    )
    config = uvicorn.Config(
        Gate(app, address.token),
        log_level='error',
        access_log=False,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return Uvicorn(config)
