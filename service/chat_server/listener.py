"""The socket the server listens on: bound by us, or passed by systemd."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from gevent import socket

BACKLOG = 1024
SEND_BUFFER_BYTES = 256 * 1024


class CannotListenError(Exception):
    """The address can't be listened on. The message is one line that says what to do."""


def listen(host: str, port: int, passed: Sequence[int] = ()) -> socket.socket:
    """A listening TCP socket: the first of the `passed` descriptors (socket activation), or a new one.

    Raises CannotListenError.
    """
    listener = _adopt(passed[0]) if passed else _bind(host, port)
    # Accepted sockets inherit these. Without TCP_NODELAY a small frame waits for the client's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.listen(BACKLOG)
    return listener


def _adopt(descriptor: int) -> socket.socket:
    try:
        passed = socket.socket(fileno=descriptor)
    except OSError as error:
        raise CannotListenError("what systemd passed is no socket: see the socket unit") from error
    if passed.family not in {socket.AF_INET, socket.AF_INET6} or passed.type != socket.SOCK_STREAM:
        raise CannotListenError("the socket passed by systemd is not TCP: the socket unit needs ListenStream=PORT")
    return passed


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # of two that bound the same port, only one may listen
    except OSError as error:
        listener.close()
        raise CannotListenError(_explain(error, host, port)) from error
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    where = f"[server] host = {host!r}, port = {port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where}: another process listens there: find it with `ss -ltnp sport = :{port}`, or change the port"
    if error.errno == errno.EACCES:
        return f"{where}: not permitted: ports under 1024 need a proxy in front, or socket activation"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address: use 0.0.0.0 for all, or one that `ip address` shows"
    return f"{where}: {error.strerror}: check host and port"
