"""Tells people's partners that they come and go."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from chat_server.chat.conversations import Acquaintance
from chat_server.realtime import frames
from chat_server.realtime.connection import Connection
from chat_server.realtime.websocket import text_frame

if TYPE_CHECKING:
    from chat_server.realtime.parts import Parts


class Announcer:
    """Keeps `Presence` in step with the sockets, and sends its news as `presence` frames."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def arrived(self, connection: Connection, acquaintances: Iterable[Acquaintance]) -> None:
        """A socket was opened; news where it is the person's first."""
        presence = self._parts.presence
        if not presence.is_online(connection.user_id):
            shown_to = [one.partner_id for one in acquaintances if one.shown_to]
            self._tell(presence.arrive(connection.user_id, shown_to), connection.user_id, connection.username)

    def left(self, connection: Connection) -> None:
        """The person's last socket is gone."""
        presence = self._parts.presence
        if presence.is_online(connection.user_id):
            now = self._parts.clock()
            told = presence.leave(connection.user_id, now)
            self._tell(told, connection.user_id, connection.username, left_at=now)

    def introduced(self, one_id: str, other_id: str) -> None:
        """The two have a conversation from now on: each is shown to the other, but not to whom they block."""
        for user_id, partner_id in ((one_id, other_id), (other_id, one_id)):
            if not self._parts.conversations.route(user_id, partner_id).sender_blocks:
                self._tell(self._parts.presence.introduce(user_id, partner_id), user_id, self._name(user_id))

    def relations_changed(self, user_ids: Collection[str]) -> None:
        """These people have blocked or unblocked somebody: who sees them online changes with it."""
        for user_id in user_ids:
            if not self._parts.presence.is_online(user_id):
                continue
            acquaintances = self._parts.conversations.acquaintances(user_id)
            shown_to = [one.partner_id for one in acquaintances if one.shown_to]
            gained, lost = self._parts.presence.replace_audience(user_id, shown_to)
            self._tell(gained, user_id, self._name(user_id))
            self._tell(lost, user_id, self._name(user_id), left_at=self._parts.clock())

    def _name(self, user_id: str) -> str:
        return next((connection.username for connection in self._parts.hub.sockets(user_id)), "")

    def _tell(self, told: list[str], user_id: str, username: str, *, left_at: int | None = None) -> None:
        if not told:
            return
        data = frames.PresenceData(user_id, username, left_at is None, left_at)
        frame = text_frame(frames.encode("presence", data, now=self._parts.clock()))
        for partner_id in told:
            for connection in self._parts.hub.sockets(partner_id):
                connection.tell([frame])
