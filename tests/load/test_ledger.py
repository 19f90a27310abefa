"""The books on a conversation: a server that keeps its promises passes, and each broken promise is found."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.findings import Findings
from loadtests.ledger import SIDES, Ledger, Side, Stretch, other

BASE = 7


def books() -> tuple[Findings, Ledger]:
    findings = Findings()
    return findings, Ledger(findings, name="conv", people=("ann", "bob"), run_id="r1", base=BASE)


@dataclass
class Exchange:
    """A conversation on a server that does everything right, unless it is told otherwise."""

    findings: Findings = field(default_factory=Findings)
    stored: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.findings, name="conv", people=("ann", "bob"), run_id="r1", base=BASE)
        self.sockets = {side: Stretch(self.ledger, side) for side in SIDES}
        self.pushed = dict.fromkeys(SIDES, 0)
        """How many of the stored messages each has heard of."""

    def store(self, side: Side) -> None:
        self.stored.append(self.ledger.write(side))

    def tell(self, side: Side) -> None:
        """One of the two hears of the next stored message: their own by its acknowledgement."""
        place = self.pushed[side]
        if place == len(self.stored):
            return
        self.pushed[side] += 1
        message_id, seq = self.stored[place], BASE + 1 + place
        if message_id.split(".")[1] == str(side):
            self.ledger.acknowledge(message_id, seq)
            self.sockets[side].acknowledge(seq)
        else:
            self.ledger.arrive(side, message_id, seq, how="pushed")
            self.sockets[side].push(message_id, seq)

    def reconnect(self, side: Side, back: int) -> None:
        """On the next socket some of what came on the last is pushed again, the person's own included."""
        self.sockets[side] = Stretch(self.ledger, side)
        for place in range(max(0, self.pushed[side] - back), self.pushed[side]):
            self.ledger.arrive(side, self.stored[place], BASE + 1 + place, how="pushed")
            self.sockets[side].push(self.stored[place], BASE + 1 + place)

    def settle(self) -> None:
        for side in SIDES:
            while self.pushed[side] < len(self.stored):
                self.tell(side)

    def audit(self) -> None:
        self.ledger.audit((BASE + 1 + place, message_id) for place, message_id in enumerate(self.stored))

    def play(self, chance: random.Random, steps: int) -> None:
        """Anything that may happen, in any order."""
        for _ in range(steps):
            side: Side = chance.choice(SIDES)
            match chance.randrange(6):
                case 0 | 1:
                    self.store(side)
                case 2 | 3 | 4:
                    self.tell(side)
                case 5:
                    self.reconnect(side, chance.randrange(4))


exchanges = st.tuples(st.randoms(use_true_random=False), st.integers(0, 60))


@given(exchanges)
@settings(max_examples=200)
def test_a_server_that_keeps_its_promises_is_never_blamed(exchange: tuple[random.Random, int]) -> None:
    played = Exchange()
    played.play(*exchange)
    played.settle()
    played.audit()
    assert played.findings.examples == {}
    assert played.ledger.settled
    assert played.ledger.acknowledged == played.ledger.written == len(played.stored)


@given(exchanges)
@settings(max_examples=200)
def test_a_message_that_is_pushed_to_nobody_is_found_whatever_else_happens(
    exchange: tuple[random.Random, int],
) -> None:
    played = Exchange()
    played.play(*exchange)
    played.settle()
    played.store(1)
    lost = played.stored[-1]
    played.tell(1)
    played.pushed[2] += 1
    for _ in range(exchange[0].randrange(3)):
        played.store(exchange[0].choice(SIDES))
    played.settle()
    assert not played.ledger.settled
    played.audit()
    assert any(lost in text and "never came to bob" in text for text in played.findings.examples["lost"])


@given(exchanges, st.data())
@settings(max_examples=200)
def test_a_stored_message_that_vanishes_is_found(exchange: tuple[random.Random, int], data: st.DataObject) -> None:
    played = Exchange()
    played.play(*exchange)
    played.store(1)
    played.settle()
    vanished = played.stored[data.draw(st.integers(0, len(played.stored) - 1))]
    place = played.stored.index(vanished)
    kept = [(BASE + 1 + n, one) for n, one in enumerate(played.stored) if n != place]
    played.ledger.audit(kept)
    assert any(vanished in text and "is not stored" in text for text in played.findings.examples["lost"])


@given(exchanges, st.data())
@settings(max_examples=200)
def test_a_message_that_is_stored_twice_is_found(exchange: tuple[random.Random, int], data: st.DataObject) -> None:
    played = Exchange()
    played.play(*exchange)
    played.store(1)
    played.settle()
    played.ledger.write(1)  # or else there would be more numbers than messages
    played.stored.append(data.draw(st.sampled_from(played.stored)))
    played.audit()
    assert played.findings.counts["duplicate"] == 1


@given(exchanges, st.data())
@settings(max_examples=200)
def test_two_of_a_persons_messages_in_the_wrong_order_are_found(
    exchange: tuple[random.Random, int], data: st.DataObject
) -> None:
    played = Exchange()
    for _ in range(2):
        played.store(1)
    played.stored.reverse()
    played.play(*exchange)
    played.settle()
    played.audit()
    assert played.findings.counts["order"] == 1


class TestOneSocket:
    """What is pushed on one socket rises by one each time."""

    def test_a_push_that_leaves_one_out_is_a_gap_at_once(self) -> None:
        played = Exchange()
        for _ in range(3):
            played.store(1)
        played.tell(2)
        played.pushed[2] += 1
        played.tell(2)
        assert played.findings.examples["gap"] == ["conv: r1.1.3, number 10, was pushed to bob, but not number 9"]

    def test_the_first_push_after_a_reconnection_may_not_skip_either(self) -> None:
        played = Exchange()
        played.store(1)
        played.store(1)
        played.reconnect(2, 0)
        played.pushed[2] += 1
        played.tell(2)
        assert played.findings.counts["gap"] == 1

    def test_a_gap_is_told_once_however_much_comes_behind_it(self) -> None:
        played = Exchange()
        for _ in range(5):
            played.store(1)
        played.pushed[2] += 1
        played.settle()
        assert played.findings.counts["gap"] == 1

    def test_what_lies_behind_a_gap_is_not_missing_on_the_next_socket(self) -> None:
        played = Exchange()
        for _ in range(4):
            played.store(1)
        played.tell(2)
        played.pushed[2] += 1
        played.tell(2)
        played.reconnect(2, 0)
        played.tell(2)
        assert played.findings.examples["gap"] == [
            "conv: r1.1.3, number 10, was pushed to bob, but not number 9",
            "conv: r1.1.4, number 11, was pushed to bob, but not number 9",
        ]

    def test_reading_a_message_does_not_excuse_that_it_was_not_pushed(self) -> None:
        played = Exchange()
        for _ in range(3):
            played.store(1)
        played.tell(2)
        played.ledger.arrive(2, played.stored[1], BASE + 2, how="read")
        played.pushed[2] += 1
        played.tell(2)
        assert played.findings.counts["gap"] == 1

    @pytest.mark.parametrize(
        ("missing", "words"), [(5, "number 8, 9, 10, 11, 12"), (7, "number 8, 9, 10, 11, 12 and 2 more")]
    )
    def test_of_a_long_gap_the_first_numbers_are_told(self, missing: int, words: str) -> None:
        played = Exchange()
        for _ in range(missing + 1):
            played.store(1)
        played.pushed[2] = missing
        played.tell(2)
        assert played.findings.examples["gap"][0].endswith(f"but not {words}")

    def test_the_same_push_twice_is_a_duplicate(self) -> None:
        played = Exchange()
        played.store(1)
        played.tell(2)
        played.sockets[2].push(played.stored[0], BASE + 1)
        (told,) = played.findings.examples["duplicate"]
        assert told == "conv: r1.1.1, number 8, was pushed again on the same socket"

    def test_pushes_in_the_wrong_order_are_found(self) -> None:
        _, ledger = books()
        findings = ledger._findings
        ids = [ledger.write(1), ledger.write(1)]
        socket = Stretch(ledger, 2)
        for seq in (BASE + 2, BASE + 1):
            ledger.arrive(2, ids[seq - BASE - 1], seq, how="pushed")
            socket.push(ids[seq - BASE - 1], seq)
        assert set(findings.counts) == {"gap", "duplicate"}
        assert findings.examples["duplicate"] == [
            "conv: r1.1.1, number 8, was pushed behind number 9 on the same socket"
        ]

    def test_an_own_message_between_two_pushes_was_told_by_its_acknowledgement(self) -> None:
        played = Exchange()
        for side in (1, 2, 1):
            played.store(side)
        played.settle()
        assert not played.findings

    def test_a_push_again_on_the_next_socket_is_allowed_and_counted(self) -> None:
        played = Exchange()
        played.store(1)
        played.settle()
        played.reconnect(2, 1)
        assert not played.findings
        assert played.ledger.repeats == 1
        assert not played.ledger.arrive(2, played.stored[0], BASE + 1, how="read")
        assert played.ledger.repeats == 1


class TestAnswers:
    """What the server says of a message binds it."""

    def test_two_messages_with_one_number_are_found(self) -> None:
        findings, ledger = books()
        first, second = ledger.write(1), ledger.write(2)
        ledger.acknowledge(first, BASE + 1)
        ledger.acknowledge(second, BASE + 1)
        assert not ledger.has(2, BASE + 1)
        assert findings.examples["mismatch"] == ["conv: number 8 was acknowledged as r1.2.1, but it is r1.1.1"]

    def test_one_message_with_two_numbers_is_found(self) -> None:
        findings, ledger = books()
        message, _ = ledger.write(1), ledger.write(1)
        ledger.acknowledge(message, BASE + 1)
        assert not ledger.arrive(2, message, BASE + 2, how="pushed")
        assert findings.counts == {"duplicate": 1}

    def test_a_number_from_before_the_run_is_found(self) -> None:
        findings, ledger = books()
        ledger.acknowledge(ledger.write(1), BASE)
        assert findings.counts == {"mismatch": 1}

    def test_a_number_far_beyond_what_was_written_is_found(self) -> None:
        findings, ledger = books()
        message = ledger.write(1)
        assert not ledger.arrive(2, message, 10**15, how="pushed")
        Stretch(ledger, 2).push(message, 10**15)
        assert findings.counts["gap"] == 1

    @pytest.mark.parametrize("stranger", ["r2.1.1", "r1.3.1", "r1.1.0", "r1.1.2", "r1.1.x", "nonsense"])
    def test_a_message_that_nobody_wrote_is_found(self, stranger: str) -> None:
        findings, ledger = books()
        ledger.write(1)
        assert not ledger.arrive(2, stranger, BASE + 1, how="pushed")
        assert findings.counts == {"mismatch": 1}

    def test_an_answer_to_a_message_that_nobody_wrote_is_found_once(self) -> None:
        findings, ledger = books()
        ledger.acknowledge("r2.1.1", BASE + 1)
        assert findings.counts == {"mismatch": 1}
        assert ledger.last_seq == BASE

    def test_a_message_is_news_to_its_reader_once(self) -> None:
        _, ledger = books()
        message = ledger.write(1)
        assert [ledger.arrive(2, message, BASE + 1, how=how) for how in ("pushed", "read")] == [True, False]

    def test_what_somebody_reads_is_compared_and_older_messages_are_not(self) -> None:
        findings, ledger = books()
        first, second = ledger.write(1), ledger.write(1)
        ledger.check_stored("r0.1.3", BASE)
        ledger.check_stored(first, BASE + 1)
        assert not findings
        ledger.check_stored(second, BASE + 1)
        assert findings.examples["mismatch"] == ["conv: number 8 was read as r1.1.2, but it is r1.1.1"]

    def test_a_number_that_is_missing_in_what_is_stored_is_named(self) -> None:
        findings, ledger = books()
        ids = [ledger.write(1), ledger.write(1)]
        ledger.audit([(BASE + 2, ids[1])])
        assert findings.examples["gap"] == ["conv: behind number 7 number 9 is stored"]

    def test_a_message_of_an_earlier_run_is_no_concern_of_this_one(self) -> None:
        findings, ledger = books()
        assert not ledger.arrive(2, "r0.1.3", BASE, how="pushed")
        assert not findings

    def test_a_refused_message_that_is_stored_is_found(self) -> None:
        findings, ledger = books()
        message = ledger.write(1)
        ledger.refuse(message)
        ledger.arrive(2, message, BASE + 1, how="pushed")
        ledger.audit([(BASE + 1, message)])
        assert findings.counts == {"mismatch": 1}

    def test_a_refused_message_that_is_not_stored_is_as_it_should_be(self) -> None:
        findings, ledger = books()
        ledger.refuse(ledger.write(1))
        assert ledger.settled
        ledger.audit([])
        assert not findings

    def test_a_message_without_an_answer_may_be_stored_or_not(self) -> None:
        findings, ledger = books()
        ids = [ledger.write(1), ledger.write(1)]
        ledger.audit([(BASE + 1, ids[0])])
        assert not findings
        assert ledger.unanswered == 2

    def test_the_same_acknowledgement_again_changes_nothing(self) -> None:
        findings, ledger = books()
        message = ledger.write(1)
        for _ in range(2):
            ledger.acknowledge(message, BASE + 1)
        assert not findings
        assert ledger.unanswered == 0

    @pytest.mark.parametrize("side", SIDES)
    def test_delivered_is_believed_only_of_what_has_arrived(self, side: Side) -> None:
        findings, ledger = books()
        message = ledger.write(side)
        ledger.acknowledge(message, BASE + 1)
        ledger.tell_delivered(side, BASE)
        assert not findings
        ledger.tell_delivered(side, BASE + 1)
        assert findings.counts == {"receipt": 1}
        ledger.arrive(other(side), message, BASE + 1, how="pushed")
        ledger.tell_delivered(side, BASE + 1)
        assert findings.counts == {"receipt": 1}


def test_many_broken_promises_are_counted_and_a_few_kept_in_words() -> None:
    findings = Findings()
    for number in range(1000):
        findings.add("lost", str(number))
    assert findings.counts == {"lost": 1000}
    assert len(findings.examples["lost"]) == 10
