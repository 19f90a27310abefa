"""Who is online, and who is told so: only people who share a conversation, and nobody one has blocked."""

from __future__ import annotations

from collections.abc import Iterable

from chat_server.storage.models import User


class Presence:
    """The people who have a socket open, with the partners each of them is shown to."""

    def __init__(self) -> None:
        self._audience: dict[str, set[str]] = {}
        self._left: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._audience)

    def is_online(self, user_id: str) -> bool:
        return user_id in self._audience

    def arrive(self, user_id: str, audience: Iterable[str]) -> list[str]:
        """The person is online; gives the online partners to tell. `audience`: the partners they are shown to."""
        self._audience[user_id] = set(audience)
        return self._online(self._audience[user_id])

    def leave(self, user_id: str, now: int) -> list[str]:
        """The person's last socket is gone; gives the online partners to tell."""
        self._left[user_id] = now
        return self._online(self._audience.pop(user_id, set()))

    def audience(self, user_id: str) -> list[str]:
        """The online partners the person is shown to."""
        return self._online(self._audience.get(user_id, set()))

    def introduce(self, user_id: str, partner_id: str) -> list[str]:
        """The person has a new partner they are shown to; gives the partner if that one is to be told."""
        audience = self._audience.get(user_id)
        if audience is None:
            return []
        audience.add(partner_id)
        return self._online([partner_id])

    def replace_audience(self, user_id: str, audience: Iterable[str]) -> tuple[list[str], list[str]]:
        """After a block, an unblock or a deletion: (online partners newly shown to, online partners no more)."""
        before = self._audience.get(user_id)
        if before is None:
            return [], []
        after = self._audience[user_id] = set(audience)
        return self._online(after - before), self._online(before - after)

    def _online(self, user_ids: Iterable[str]) -> list[str]:
        return [user_id for user_id in user_ids if user_id in self._audience]

    def take_departures(self) -> dict[str, int]:
        """Who left, and when, since the last call: to be saved by `save_last_seen`."""
        left, self._left = self._left, {}
        return left

    def give_back_departures(self, departures: dict[str, int]) -> None:
        """They could not be saved: they are taken again the next time."""
        self._left = departures | self._left


def save_last_seen(departures: dict[str, int]) -> None:
    """Runs in the writer. Of a deleted account nothing is saved: its sockets close after it is gone."""
    for user_id, left_at in departures.items():
        User.update(last_seen_at=left_at).where(User.id == user_id, User.deleted_at.is_null()).execute()
