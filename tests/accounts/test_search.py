"""Finding people by the beginning of their names."""

from __future__ import annotations

import pytest

from tests.accounts.world import DEVICE, PASSWORD, World


@pytest.fixture
def anna(world: World) -> str:
    return world.sign_up("anna")[0].user_id


def names(world: World, caller_id: str, prefix: str, *, limit: int = 50) -> list[str]:
    found, _ = world.accounts.search(caller_id, prefix, limit=limit)
    return [one.username for one in found]


def test_it_is_the_beginning_in_whatever_case_by_name(world: World, anna: str) -> None:
    for name in ("Bruno", "bert", "BERTA", "Robert", "b"):
        world.sign_up(name)
    assert names(world, anna, "be") == ["bert", "BERTA"]
    assert names(world, anna, "BER") == ["bert", "BERTA"]
    assert names(world, anna, "b") == ["b", "bert", "BERTA", "Bruno"]
    assert names(world, anna, "berta") == ["BERTA"]


@pytest.mark.parametrize("prefix", ["%", "b%", "b.", "b*", "'", '"', "\\", "\x00", "ß", "\x7f", "bert "])
def test_every_character_stands_for_itself(world: World, anna: str, prefix: str) -> None:
    world.sign_up("bert")
    assert names(world, anna, prefix) == []


def test_an_underscore_is_an_underscore(world: World, anna: str) -> None:
    world.sign_up("b_1")
    world.sign_up("bx1")
    assert names(world, anna, "b_") == ["b_1"]


def test_the_longest_and_last_names_are_found(world: World, anna: str) -> None:
    world.sign_up("z" * 50)
    assert names(world, anna, "z" * 49) == ["z" * 50]
    assert names(world, anna, "z" * 50) == ["z" * 50]


def test_the_total_counts_beyond_the_limit(world: World, anna: str) -> None:
    for number in range(7):
        world.sign_up(f"bert{number}")
    found, total = world.accounts.search(anna, "bert", limit=3)
    assert ([one.username for one in found], total) == (["bert0", "bert1", "bert2"], 7)


def test_one_does_not_find_oneself_nor_the_deleted(world: World, anna: str) -> None:
    gone, _ = world.sign_up("anton")
    world.accounts.delete(gone, PASSWORD, DEVICE)
    assert names(world, anna, "an") == []


def test_one_does_not_find_who_has_blocked_one_but_whom_one_has_blocked(world: World, anna: str) -> None:
    bert = world.sign_up("bert")[0].user_id
    world.blocks.block(bert, anna)
    assert names(world, anna, "b") == []
    assert names(world, bert, "a") == ["anna"]


def test_only_partners_are_shown_online(world: World, anna: str) -> None:
    bert = world.sign_up("bert")[0].user_id
    berta = world.sign_up("berta")[0].user_id
    world.sign_up("bertram")
    world.conversations.start(anna, bert)
    world.conversations.start(berta, anna)
    assert [one.is_partner for one in world.accounts.search(anna, "b", limit=9)[0]] == [True, True, False]
    world.blocks.block(anna, bert)  # it is bert who is shown nothing from now on
    assert [one.is_partner for one in world.accounts.search(anna, "b", limit=9)[0]] == [True, True, False]
