"""What an admin does with invites."""

from __future__ import annotations

import pytest

from chat_server.chat.invites import (
    InvalidInviteError,
    InviteNotFoundError,
    check_invite,
    create_invite,
    list_invites,
    revoke_invite,
)
from tests.accounts.world import World


def test_the_code_itself_is_not_kept(world: World) -> None:
    invite_id, code = world.writer.write(create_invite, note="for Bert", expires_at=None, now=1)
    dump = "\n".join(world.database.connection().iterdump())
    assert invite_id in dump
    assert "for Bert" in dump
    assert code not in dump


def test_a_revoked_code_is_worth_nothing(world: World) -> None:
    invite_id, code = world.writer.write(create_invite, note="", expires_at=None, now=1)
    world.readers.run(check_invite, code, now=2)
    world.writer.write(revoke_invite, invite_id, now=2)
    with pytest.raises(InvalidInviteError):
        world.readers.run(check_invite, code, now=3)
    [invite] = world.readers.run(list_invites, now=3)
    assert invite.state == "revoked"


def test_revoking_what_is_not_there_is_a_mistake(world: World) -> None:
    with pytest.raises(InviteNotFoundError):
        world.writer.write(revoke_invite, "inv-none", now=1)


def test_invites_are_listed_the_latest_first_with_their_state(world: World) -> None:
    for at, expires_at in ((1, None), (2, 50), (3, 51)):
        world.writer.write(create_invite, note=f"made at {at}", expires_at=expires_at, now=at)
    listed = world.readers.run(list_invites, now=50)
    assert [(item.note, item.state) for item in listed] == [
        ("made at 3", "open"),
        ("made at 2", "expired"),
        ("made at 1", "open"),
    ]
