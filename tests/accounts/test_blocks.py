"""Who blocks whom."""

from __future__ import annotations

import pytest

from chat_server.chat.refusals import UserNotFoundError, WithOneselfError
from tests.accounts.world import DEVICE, PASSWORD, World


@pytest.fixture
def anna(world: World) -> str:
    return world.sign_up("anna")[0].user_id


@pytest.fixture
def bert(world: World) -> str:
    return world.sign_up("bert")[0].user_id


def test_a_block_is_listed_by_who_made_it_only(world: World, anna: str, bert: str) -> None:
    world.blocks.block(anna, bert)
    [blocked] = world.blocks.blocked_by(anna)
    assert (blocked.user_id, blocked.username, blocked.blocked_at) == (bert, "bert", world.clock.now)
    assert world.blocks.blocked_by(bert) == []


def test_blocking_twice_is_blocking_once(world: World, anna: str, bert: str) -> None:
    world.blocks.block(anna, bert)
    begun = world.clock.now
    world.clock.pass_by(seconds=1)
    world.blocks.block(anna, bert)
    assert [one.blocked_at for one in world.blocks.blocked_by(anna)] == [begun]


def test_a_block_can_be_taken_back_even_when_there_is_none(world: World, anna: str, bert: str) -> None:
    world.blocks.block(anna, bert)
    world.blocks.block(bert, anna)
    world.blocks.unblock(anna, bert)
    world.blocks.unblock(anna, bert)
    assert world.blocks.blocked_by(anna) == []
    assert [one.user_id for one in world.blocks.blocked_by(bert)] == [anna]


def test_each_change_is_announced(world: World, anna: str, bert: str) -> None:
    world.blocks.block(anna, bert)
    world.blocks.unblock(anna, bert)
    assert world.changed == [(anna, bert), (anna, bert)]


def test_nobody_blocks_themselves_or_nobody(world: World, anna: str) -> None:
    with pytest.raises(WithOneselfError):
        world.blocks.block(anna, anna)
    for attempt in (world.blocks.block, world.blocks.unblock):
        with pytest.raises(UserNotFoundError):
            attempt(anna, "user-nobody")


def test_a_deleted_person_can_be_blocked_and_is_not_named(world: World, anna: str) -> None:
    gone, _ = world.sign_up("gone")
    world.accounts.delete(gone, PASSWORD, DEVICE)
    world.blocks.block(anna, gone.user_id)
    assert [one.username for one in world.blocks.blocked_by(anna)] == ["Deleted User"]
