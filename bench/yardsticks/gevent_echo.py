"""gevent and gevent-websocket, and nothing else. What comes is sent back; nothing is read or stored.

`python -m bench.yardsticks.gevent_echo PORT`
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler  # type: ignore[import-untyped]


def echo(environ: dict[str, Any], _start_response: Callable[..., Any]) -> Iterable[bytes]:
    socket = environ["wsgi.websocket"]
    while (message := socket.receive()) is not None:
        socket.send(message)
    return []


if __name__ == "__main__":
    WSGIServer(("127.0.0.1", int(sys.argv[1])), echo, handler_class=WebSocketHandler, log=None).serve_forever()
