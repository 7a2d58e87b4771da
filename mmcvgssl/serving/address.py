"""Where the page is, and who may open it."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from urllib.parse import quote

LOOPBACK, PORT = '127.0.0.1', 7860
_SHORTEST = 8  # letters of a token


@dataclass
class Address:
    """An address that this process listens on.

    Args:
        host: As it was asked for.
        socket: Listens; nobody is answered before the server runs.
        token: What visitors have to know; None: nothing.

    Example:
        >>> address = Address.take(port=0)
        >>> address.token is None, address.url.startswith('http://127.0.0.1:')
        (True, True)
        >>> address.close()
    """

    host: str
    socket: socket.socket
    token: str | None

    @classmethod
    def take(
        cls, host: str = LOOPBACK, port: int = PORT, token: str | None = None
    ) -> Address:
        """Listen on an address.

        Args:
            host: Name or number of an address of this machine.
            port: Number; 0: one that is free.
            token: What visitors have to know. Where others than this machine
                can reach the address, one is made if none is given.

        Raises:
            OSError: If the address is in use, or cannot be had.
            ValueError: If the port or token can be none.
        """
        if not 0 <= port < 2**16:
            raise ValueError(
                f'expected a port of 1 to 65535 (--port), or 0 for a free '
                f'one, got {port}'
            )
        _check_token(token)
        family, where = _resolve(host, port)
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(where)
            made.listen(128)
        except OSError as error:
            made.close()
            raise OSError(_why_not(error, host, port)) from error
        if token is None and not _is_loopback(made):
            token = secrets.token_urlsafe(18)
        return cls(host, made, token)

    @property
    def port(self) -> int:
        """Number of the port."""
        return self.socket.getsockname()[1]

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        return _is_loopback(self.socket)

    @property
    def url(self) -> str:
        """What to type in a browser of this machine, without the token."""
        host = self.host
        if ipaddress.ip_address(self.socket.getsockname()[0]).is_unspecified:
            host = socket.gethostname()
        shown = f'[{host}]' if ':' in host else host
        return f'http://{shown}:{self.port}/'

    @property
    def link(self) -> str:
        """The address with the token, if there is one."""
        if not self.token:
            return self.url
        return f'{self.url}?token={quote(self.token, safe="")}'

    def close(self) -> None:
        """Listen no more."""
        self.socket.close()


def _check_token(token: str | None) -> None:
    if token is None:
        return
    plain = token.isascii() and token.isprintable() and ' ' not in token
    if not plain or len(token) < _SHORTEST:
        raise ValueError(
            f'expected a token (--token) of {_SHORTEST} or more letters and '
            'digits without spaces; leave it out, and one is made where it '
            'is needed'
        )


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple]:
    try:
        found = socket.getaddrinfo(
            host.strip('[]'), port, type=socket.SOCK_STREAM
        )
    except (socket.gaierror, UnicodeError) as error:
        raise OSError(
            f'expected an address of this machine (--host), such as '
            f'{LOOPBACK} or 0.0.0.0, found none that is called {host!r}'
        ) from error
    # names have one of IPv4 mostly, which more programs understand
    found.sort(key=lambda item: item[0] != socket.AF_INET)
    return found[0][0], found[0][4]


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f'port {port} of {host} is in use by another program: end it, or '
            'choose another port, as --port 0 does'
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f'expected an address of this machine (--host), and {host} is '
            f'that of another: choose {LOOPBACK}, or 0.0.0.0 for all'
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f'port {port} of {host} is not for this user: choose one of 1024 '
            'or more (--port)'
        )
    return f'port {port} of {host} cannot be had: {error.strerror or error}'


def _is_loopback(sock: socket.socket) -> bool:
    return ipaddress.ip_address(sock.getsockname()[0]).is_loopback
