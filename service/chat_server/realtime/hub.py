"""Who is connected: every socket of this process, by person and by session."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from gevent.event import Event

if TYPE_CHECKING:
    from chat_server.realtime.connection import Connection


class Hub:
    """The sockets of this process. The only place that assumes a person's sockets are here."""

    def __init__(self) -> None:
        self._by_user: dict[str, list[Connection]] = {}
        self._count = 0
        self._empty = Event()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Connection]:
        for connections in list(self._by_user.values()):
            yield from list(connections)

    def add(self, connection: Connection) -> None:
        self._by_user.setdefault(connection.user_id, []).append(connection)
        self._count += 1
        self._empty.clear()

    def remove(self, connection: Connection) -> bool:
        """True when it was the person's last one."""
        self._count -= 1
        if self._count == 0:
            self._empty.set()
        connections = self._by_user[connection.user_id]
        connections.remove(connection)
        if connections:
            return False
        del self._by_user[connection.user_id]
        return True

    def sockets(self, user_id: str) -> Collection[Connection]:
        """The person's open sockets."""
        return self._by_user.get(user_id, ())

    def queued(self) -> int:
        """Bytes that wait for clients to take them, in all."""
        return sum(connection.socket.queued for connection in self)

    def wait_until_empty(self, seconds: float) -> None:
        """Until every socket is gone, but no longer than this."""
        if self._count:
            self._empty.wait(seconds)

    def close_sessions(self, session_ids: Collection[str]) -> None:
        """Closes the sockets that were opened, or last signed in again, under sessions that have ended."""
        ended = set(session_ids)
        for connection in self:
            if connection.session_id in ended:
                connection.close(1000, "signed out")
