"""The floor: the service's own frame layer, and nothing above it. What comes is sent back; nothing is read or stored.

`python -m bench.yardsticks.frames_echo PORT`
"""

from __future__ import annotations

import sys

from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler  # type: ignore[import-untyped]
from websockets.frames import Opcode

from chat_server.listener import listen
from chat_server.realtime.websocket import WebSocket, text_frame


class Handler(WebSocketHandler):  # type: ignore[misc]  # the library has no types
    def run_websocket(self) -> None:
        """Called once the upgrade is done."""
        socket = WebSocket(self.socket, max_message=65536, queue_limit=1_048_576)
        for opcode, payload in socket.receive():
            if opcode is Opcode.TEXT:
                socket.write(text_frame(payload))


if __name__ == "__main__":
    listener = listen("127.0.0.1", int(sys.argv[1]))
    WSGIServer(listener, lambda *_: [], handler_class=Handler, log=None).serve_forever()
