"""What one socket has been sent and has proved to have: the rules of `Outlet`, one by one."""

from __future__ import annotations

import pytest

from chat_server.chat.delivery import Outlet, Reach, Watermark

MINE, THEIRS = "", "m-1"


@pytest.fixture
def outlet() -> Outlet:
    """Open, and the person has got all there was."""
    opened = Outlet()
    opened.open([])
    return opened


def write(outlet: Outlet, *seqs: int, conversation_id: str = "conv-1", received_id: str = THEIRS) -> None:
    for seq in seqs:
        assert outlet.offer(conversation_id, seq)
        outlet.wrote(conversation_id, 1, seq, received_id=received_id)


def backlog(outlet: Outlet) -> tuple[str, int, int] | None:
    behind = outlet.next_behind()
    return None if behind is None else (behind[0], behind[1].after, behind[1].upto)


def test_a_burst_costs_one_ping_and_what_follows_it_waits_for_the_answer(outlet: Outlet) -> None:
    write(outlet, 1, 2, 3)
    assert outlet.ping_due()
    assert outlet.ping() == 1
    write(outlet, 4, 5)
    assert not outlet.ping_due()
    assert outlet.pong(1) == {"conv-1": Reach(1, 3, 3, THEIRS)}
    assert outlet.ping_due()
    assert outlet.ping() == 2
    assert outlet.pong(2) == {"conv-1": Reach(1, 5, 5, THEIRS)}
    assert not outlet.ping_due()


def test_the_answer_to_the_newest_ping_proves_what_was_before_every_earlier_one(outlet: Outlet) -> None:
    write(outlet, 1)
    outlet.ping()
    write(outlet, 1, conversation_id="conv-2")
    outlet.ping()
    assert {conversation_id: reach.seq for conversation_id, reach in outlet.pong(2).items()} == {
        "conv-1": 1,
        "conv-2": 1,
    }


def test_the_answer_to_an_earlier_ping_proves_nothing_that_came_after_it(outlet: Outlet) -> None:
    write(outlet, 1)
    outlet.ping()
    write(outlet, 2)
    outlet.ping()
    assert outlet.pong(1)["conv-1"].seq == 1
    assert outlet.awaiting
    assert outlet.pong(2)["conv-1"].seq == 2


@pytest.mark.parametrize("number", [0, 1, 3, 10**15])
def test_an_answer_given_before_or_to_no_ping_at_all_proves_and_changes_nothing(outlet: Outlet, number: int) -> None:
    write(outlet, 1)
    outlet.ping()
    write(outlet, 2)
    outlet.ping()
    outlet.pong(2)
    write(outlet, 3)
    assert outlet.pong(number) == {}
    assert outlet.ping_due()
    assert outlet.ping() == 3
    assert outlet.awaiting


def test_a_heartbeat_proves_too_and_spares_the_delivery_ping(outlet: Outlet) -> None:
    write(outlet, 1)
    heartbeat = outlet.ping()
    assert not outlet.ping_due()
    assert outlet.pong(heartbeat)["conv-1"].seq == 1


def test_ones_own_message_is_proved_by_the_next_ping_but_does_not_ask_for_one(outlet: Outlet) -> None:
    outlet.offer("conv-1", 1)
    outlet.wrote("conv-1", 1, 1, ping=False)
    assert not outlet.ping_due()
    assert outlet.pong(outlet.ping()) == {"conv-1": Reach(1, 1)}


def test_ones_own_message_right_after_anothers_leaves_the_ping_wanted(outlet: Outlet) -> None:
    write(outlet, 1)
    outlet.offer("conv-1", 2)
    outlet.wrote("conv-1", 1, 2, ping=False)
    assert outlet.ping_due()


def test_the_other_hears_of_their_newest_message_though_ones_own_came_after_it(outlet: Outlet) -> None:
    write(outlet, 1)
    write(outlet, 2, received_id=MINE)
    outlet.ping()
    write(outlet, 3, received_id=MINE)
    outlet.ping()
    assert outlet.pong(2) == {"conv-1": Reach(1, 3, 1, THEIRS)}


def test_proof_that_is_demanded_comes_with_the_next_ping_whatever_was_pinged_before(outlet: Outlet) -> None:
    write(outlet, 1)
    outlet.ping()
    number = outlet.demand_proof()
    assert not outlet.ping_due()
    outlet.pong(1)
    assert outlet.ping_due()
    assert outlet.ping() == number


def test_live_messages_wait_behind_the_backlog_of_their_conversation_and_of_no_other() -> None:
    outlet = Outlet()
    outlet.open([Watermark("conv-1", delivered_seq=3, last_seq=5)])
    assert backlog(outlet) == ("conv-1", 3, 5)
    assert not outlet.offer("conv-1", 6)
    assert outlet.offer("conv-2", 1)
    assert not outlet.caught_up("conv-1", 5)
    assert backlog(outlet) == ("conv-1", 5, 6)
    assert outlet.caught_up("conv-1", 6)
    assert backlog(outlet) is None
    assert outlet.offer("conv-1", 7)


def test_nothing_is_written_before_the_socket_is_open_and_nothing_is_missing_after() -> None:
    outlet = Outlet()
    assert not outlet.offer("conv-1", 4)
    assert not outlet.offer("conv-1", 5)
    outlet.open([Watermark("conv-1", delivered_seq=2, last_seq=4)])
    assert backlog(outlet) == ("conv-1", 2, 5)


def test_what_was_stored_after_the_watermarks_were_read_is_not_missing_either() -> None:
    outlet = Outlet()
    outlet.offer("conv-1", 5)
    outlet.offer("conv-2", 1)
    outlet.open([Watermark("conv-1", delivered_seq=4, last_seq=4)])
    assert backlog(outlet) == ("conv-2", 0, 1)
    outlet.caught_up("conv-2", 1)
    assert backlog(outlet) == ("conv-1", 4, 5)


def test_what_another_device_had_by_the_time_the_watermarks_were_read_is_not_pushed() -> None:
    outlet = Outlet()
    outlet.offer("conv-1", 4)
    outlet.open([Watermark("conv-1", delivered_seq=4, last_seq=4)])
    assert backlog(outlet) is None


def test_a_message_that_came_with_the_backlog_is_not_repeated_when_it_is_released() -> None:
    outlet = Outlet()
    outlet.open([Watermark("conv-1", delivered_seq=0, last_seq=1)])
    outlet.wrote("conv-1", 1, 1, received_id=THEIRS)
    outlet.caught_up("conv-1", 1)
    assert not outlet.offer("conv-1", 1)
    assert backlog(outlet) is None


def test_a_congested_sockets_messages_become_backlog_until_it_has_caught_up(outlet: Outlet) -> None:
    write(outlet, 1)
    assert not outlet.offer("conv-1", 2, congested=True)
    assert not outlet.offer("conv-1", 3)
    assert backlog(outlet) == ("conv-1", 1, 3)
    outlet.caught_up("conv-1", 3)
    assert outlet.offer("conv-1", 4)
