"""Who is online is told to partners, at once, and to nobody else."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.client import PASSWORD, Person
from tests.conftest import Newcomer
from tests.device import online
from tests.server import Server, running_server

PROMPTLY = 1.0
"""Seconds within which partners are told."""


@pytest.fixture
def partners(anna: Person, ben: Person) -> tuple[Person, Person]:
    """Anna and Ben, who share a conversation."""
    anna.client.post("/conversations/start", {"otherUserId": ben.user_id}).succeeded()
    return anna, ben


def test_a_partner_learns_who_comes_and_goes(shared_server: Server, partners: tuple[Person, Person]) -> None:
    anna, ben = partners
    with online(shared_server, anna) as annas:
        with online(shared_server, ben):
            assert annas.wait_for_sighting(ben, seconds=PROMPTLY) == {
                "userId": ben.user_id,
                "username": ben.username,
                "isOnline": True,
                "lastSeenAt": None,
            }
            left_after = int(time.time() * 1000)
        left = annas.wait_for_sighting(ben, 2, seconds=PROMPTLY)
        assert not left["isOnline"]
        assert left_after <= left["lastSeenAt"] <= int(time.time() * 1000)


def test_a_lost_connection_is_noticed_as_promptly(shared_server: Server, partners: tuple[Person, Person]) -> None:
    anna, ben = partners
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        annas.wait_for_sighting(ben)
        bens.cut()
        assert not annas.wait_for_sighting(ben, 2, seconds=PROMPTLY)["isOnline"]


def test_every_device_of_a_partner_is_told(shared_server: Server, partners: tuple[Person, Person]) -> None:
    anna, ben = partners
    with online(shared_server, anna) as phone, online(shared_server, anna) as laptop:
        with online(shared_server, ben):
            phone.wait_for_sighting(ben)
            laptop.wait_for_sighting(ben)
        phone.wait_for_sighting(ben, 2)
        laptop.wait_for_sighting(ben, 2)


def test_a_person_is_online_from_the_first_device_to_the_last(
    shared_server: Server, partners: tuple[Person, Person]
) -> None:
    anna, ben = partners
    with online(shared_server, anna) as annas:
        with online(shared_server, ben) as phone:
            with online(shared_server, ben):
                annas.wait_for_sighting(ben)
            phone.say(anna, "still here")
            annas.wait_for_messages(1)
            assert annas.sightings(ben) == [True]
        annas.wait_for_sighting(ben, 2)
        assert annas.sightings(ben) == [True, False]


def test_strangers_are_not_told(shared_server: Server, partners: tuple[Person, Person], newcomer: Newcomer) -> None:
    anna, ben = partners
    with online(shared_server, newcomer()) as stranger, online(shared_server, anna) as annas:
        with online(shared_server, ben):
            annas.wait_for_sighting(ben)
        annas.wait_for_sighting(ben, 2)
        stranger.sync()
        assert stranger.of("presence") == []


def test_nobody_is_told_of_themselves(shared_server: Server, partners: tuple[Person, Person]) -> None:
    anna, _ben = partners
    with online(shared_server, anna) as phone, online(shared_server, anna) as laptop:
        phone.sync()
        laptop.sync()
        assert phone.of("presence") + laptop.of("presence") == []


def test_people_who_become_partners_see_each_other(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        annas.say(ben, "hello")
        assert annas.wait_for_sighting(ben, seconds=PROMPTLY)["isOnline"]
        assert bens.wait_for_sighting(anna, seconds=PROMPTLY)["username"] == anna.username
        bens.close()
        annas.wait_for_sighting(ben, 2)
        assert annas.sightings(ben) == [True, False]


def test_starting_a_conversation_is_enough(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        anna.client.post("/conversations/start", {"otherUserId": ben.user_id}).succeeded()
        annas.wait_for_sighting(ben)
        bens.wait_for_sighting(anna)


def test_a_partner_who_is_deleted_goes_offline(shared_server: Server, partners: tuple[Person, Person]) -> None:
    anna, ben = partners
    with online(shared_server, anna) as annas, online(shared_server, ben):
        annas.wait_for_sighting(ben)
        ben.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()
        left = annas.wait_for_sighting(ben, 2)
        assert (left["isOnline"], left["username"]) == (False, "Deleted User")


def test_of_a_deleted_person_it_is_not_kept_when_they_were_seen(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        ben = server.client().sign_up("ben")
        with online(server, ben) as bens:
            ben.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()
            bens.wait_closed()
    with closing(sqlite3.connect(server.database)) as database:
        assert database.execute("SELECT deleted_at > 0, last_seen_at FROM users").fetchall() == [(1, None)]


class TestBlocking:
    """Anna blocks Ben, who then sees nothing of her coming and going."""

    def test_hides_who_blocks(self, shared_server: Server, partners: tuple[Person, Person]) -> None:
        anna, ben = partners
        anna.client.post(f"/users/{ben.user_id}/block").succeeded()
        with online(shared_server, ben) as bens:
            with online(shared_server, anna) as annas:
                annas.say(ben, "one may still write to somebody one blocks")
                bens.wait_for_messages(1)
            bens.sync()
            assert bens.of("presence") == []

    def test_looks_like_leaving(self, shared_server: Server, partners: tuple[Person, Person]) -> None:
        anna, ben = partners
        with online(shared_server, ben) as bens, online(shared_server, anna) as annas:
            bens.wait_for_sighting(anna)
            anna.client.post(f"/users/{ben.user_id}/block").succeeded()
            assert not bens.wait_for_sighting(anna, 2, seconds=PROMPTLY)["isOnline"]
            annas.close()
            bens.sync()
            assert bens.sightings(anna) == [True, False]

    def test_ends_like_coming(self, shared_server: Server, partners: tuple[Person, Person]) -> None:
        anna, ben = partners
        anna.client.post(f"/users/{ben.user_id}/block").succeeded()
        with online(shared_server, ben) as bens, online(shared_server, anna):
            anna.client.delete(f"/users/{ben.user_id}/block").succeeded()
            assert bens.wait_for_sighting(anna, seconds=PROMPTLY)["isOnline"]

    def test_of_somebody_who_is_away_is_not_told(self, shared_server: Server, partners: tuple[Person, Person]) -> None:
        anna, ben = partners
        with online(shared_server, ben) as bens:
            anna.client.post(f"/users/{ben.user_id}/block").succeeded()
            anna.client.delete(f"/users/{ben.user_id}/block").succeeded()
            bens.sync()
            assert bens.of("presence") == []

    def test_hides_also_from_whom_one_then_meets(self, shared_server: Server, anna: Person, ben: Person) -> None:
        anna.client.post(f"/users/{ben.user_id}/block").succeeded()
        with online(shared_server, ben) as bens, online(shared_server, anna) as annas:
            annas.say(ben, "the first")
            bens.wait_for_messages(1)
            annas.wait_for_sighting(ben)
            annas.close()
            bens.sync()
            assert bens.of("presence") == []

    def test_hides_nothing_from_who_blocks(self, shared_server: Server, partners: tuple[Person, Person]) -> None:
        anna, ben = partners
        anna.client.post(f"/users/{ben.user_id}/block").succeeded()
        with online(shared_server, anna) as annas, online(shared_server, ben):
            assert annas.wait_for_sighting(ben)["isOnline"]


def test_the_conversation_list_agrees(shared_server: Server, partners: tuple[Person, Person]) -> None:
    anna, ben = partners

    def ben_is_online() -> bool:
        found: bool = anna.client.get("/conversations").succeeded()["conversations"][0]["participantIsOnline"]
        return found

    with online(shared_server, anna) as annas:
        assert not ben_is_online()
        with online(shared_server, ben):
            assert ben_is_online()
        annas.wait_for_sighting(ben, 2)
        assert not ben_is_online()


def test_when_somebody_was_last_seen_is_kept(shared_server: Server, anna: Person) -> None:
    before = int(time.time() * 1000)
    with online(shared_server, anna):
        assert anna.client.get("/user/me").succeeded()["isOnline"]
    deadline = time.monotonic() + 5
    while (me := anna.client.get("/user/me").succeeded())["lastSeenAt"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not me["isOnline"]
    assert before <= me["lastSeenAt"] <= int(time.time() * 1000)
