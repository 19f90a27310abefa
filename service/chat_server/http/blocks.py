"""/users/{userId}/block and /user/me/blocks."""

from __future__ import annotations

from msgspec import Struct

from chat_server.chat.blocks import Blocks
from chat_server.chat.refusals import UserNotFoundError, WithOneselfError
from chat_server.chat.sessions import Caller
from chat_server.http.endpoint import endpoint


class BlockedBody(Struct, frozen=True, rename="camel"):
    user_id: str
    username: str
    blocked_at: int


class BlocksBody(Struct, frozen=True, rename="camel"):
    blocks: list[BlockedBody]


class Block:
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    @endpoint(status=204, refuses=(UserNotFoundError, WithOneselfError))
    def on_post(self, caller: Caller, user_id: str) -> None:
        """Refuse a person's messages, typing and conversations, and hide from them whether one is online."""
        self._blocks.block(caller.user_id, user_id)

    @endpoint(status=204, refuses=(UserNotFoundError,))
    def on_delete(self, caller: Caller, user_id: str) -> None:
        """Take a block back."""
        self._blocks.unblock(caller.user_id, user_id)


class MyBlocks:
    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    @endpoint()
    def on_get(self, caller: Caller) -> BlocksBody:
        """Whom one has blocked, the latest first."""
        blocked = self._blocks.blocked_by(caller.user_id)
        return BlocksBody([BlockedBody(one.user_id, one.username, one.blocked_at) for one in blocked])
