"""What was sent while somebody was away comes when they return: all of it, in order, in pages that they confirm."""

from __future__ import annotations

from websockets.frames import Frame, Opcode

from tests.client import PASSWORD, Person
from tests.conftest import Newcomer
from tests.device import Device, online
from tests.server import Server
from tests.wire import Wire, pings, texts, wired

PAGE_BYTES = 64 * 1024


def fill(device: Device, to: Person, count: int, *, characters: int = 5000) -> None:
    """Sends so many messages, so long, each beginning with its number, and waits until all are stored."""
    written = [device.write(to, f"{number} ".ljust(characters, "x")) for number in range(1, count + 1)]
    for message_id in written:
        device.ack(message_id)


def read_page(wire: Wire) -> list[Frame]:
    """What comes up to the PING that asks whether it has come."""
    return wire.read_until(lambda frames: pings(frames) != [])


def pushed(frames: list[Frame]) -> list[int]:
    """The seqs of the messages among the frames."""
    return [text["data"]["seq"] for text in texts(frames, "message")]


def size(frames: list[Frame]) -> int:
    """How many bytes the texts among the frames took on the wire."""
    return sum(len(frame.serialize(mask=False)) for frame in frames if frame.opcode is Opcode.TEXT)


def test_it_comes_in_order_behind_ready(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas:
        fill(annas, ben, 100, characters=20)
    with online(shared_server, ben) as bens:
        bens.wait_for_messages(100)
        assert bens.frames[0]["type"] == "ready"
        assert [message["content"].split()[0] for message in bens.messages()] == [str(n) for n in range(1, 101)]
        assert [message["seq"] for message in bens.messages()] == list(range(1, 101))


def test_a_page_has_64_kib_at_most_and_waits_for_the_pong_of_the_one_before(
    shared_server: Server, anna: Person, ben: Person
) -> None:
    with online(shared_server, anna) as annas:
        fill(annas, ben, 160, characters=1000)
    pages: list[list[int]] = []
    with wired(shared_server, ben.token) as bens:
        bens.read_until(lambda frames: texts(frames, "ready") != [])
        while not pages or pages[-1][-1] < 160:
            page = read_page(bens)
            assert size(page) <= PAGE_BYTES
            pages.append(pushed(page))
            assert bens.read(seconds=0.15) == []
            bens.pong(pings(page)[-1])
    assert [seq for page in pages for seq in page] == list(range(1, 161))
    assert len(pages) == 4


def test_pages_are_filled_from_all_conversations_together(
    shared_server: Server, newcomer: Newcomer, ben: Person
) -> None:
    for _ in range(12):
        with online(shared_server, newcomer()) as phone:
            fill(phone, ben, 2)
    with wired(shared_server, ben.token) as bens:
        bens.read_until(lambda frames: texts(frames, "ready") != [])
        sizes = []
        messages = 0
        while messages < 24:
            page = read_page(bens)
            sizes.append(size(page))
            messages += len(pushed(page))
            assert bens.read(seconds=0.15) == []
            bens.pong(pings(page)[-1])
    assert max(sizes) <= PAGE_BYTES
    assert len(sizes) == 2 + (sum(sizes) > 2 * PAGE_BYTES)


def test_a_live_message_waits_behind_the_backlog_of_its_conversation(
    shared_server: Server, anna: Person, ben: Person, newcomer: Newcomer
) -> None:
    other = newcomer()
    other.client.post("/conversations/start", {"otherUserId": ben.user_id}).succeeded()
    with (
        online(shared_server, anna) as annas,
        online(shared_server, other) as others,
    ):
        fill(annas, ben, 20)
        with wired(shared_server, ben.token) as bens:
            bens.read_until(lambda frames: texts(frames, "ready") != [])
            page = read_page(bens)
            annas.say(ben, "live")
            others.say(ben, "from somebody who has no backlog")
            live = texts(bens.read_until(lambda frames: texts(frames, "message") != []), "message")
            assert [text["data"]["content"] for text in live] == ["from somebody who has no backlog"]
            bens.pong(pings(page)[-1])
            rest: list[Frame] = []
            while not pushed(rest) or max(pushed(rest)) < 21:
                came = bens.read()
                rest += came
                for number in pings(came):
                    bens.pong(number)
    assert pushed(page) + pushed(rest) == list(range(1, 22))
    assert texts(rest, "message")[-1]["data"]["content"] == "live"


def test_what_was_confirmed_does_not_come_again(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas:
        fill(annas, ben, 20)
        with wired(shared_server, ben.token) as bens:
            bens.read_until(lambda frames: texts(frames, "ready") != [])
            first = read_page(bens)
            bens.pong(pings(first)[-1])
            second = read_page(bens)
            annas.wait_for_receipt("delivered", pushed(first)[-1])
        with wired(shared_server, ben.token) as bens:
            bens.read_until(lambda frames: texts(frames, "ready") != [])
            again = read_page(bens)
            assert pushed(again) == pushed(second)
            bens.pong(pings(again)[-1])
            annas.wait_for_receipt("delivered", 20)
        with online(shared_server, ben) as phone:
            annas.say(ben, "new")
            assert [message["seq"] for message in phone.wait_for_messages(1)] == [21]


def test_ones_own_messages_are_part_of_it_where_they_would_leave_a_gap(
    shared_server: Server, anna: Person, ben: Person
) -> None:
    with online(shared_server, anna) as annas:
        annas.say(ben, "unconfirmed")
        with wired(shared_server, ben.token) as bens:
            read_page(bens)
            bens.send({"id": "own", "type": "message", "data": {"recipientId": anna.user_id, "content": "own"}})
            bens.read_until(lambda frames: texts(frames, "ack") != [])
        with online(shared_server, ben) as phone:
            assert [(one["seq"], one["senderId"]) for one in phone.wait_for_messages(2)] == [
                (1, anna.user_id),
                (2, ben.user_id),
            ]


def test_ones_own_messages_alone_are_no_backlog(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, ben) as phone:
        for number in range(3):
            phone.say(anna, f"own {number}")
    with online(shared_server, ben) as phone:
        phone.say(anna, "and another")
        phone.sync()
        assert phone.messages() == []


def test_a_deleted_sender_has_no_name(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas:
        annas.say(ben, "good bye")
    anna.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()
    with online(shared_server, ben) as bens:
        message = bens.wait_for_messages(1)[0]
    assert (message["senderUsername"], message["content"]) == ("Deleted User", "good bye")


def test_what_was_sent_before_a_block_still_comes(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas:
        annas.say(ben, "before")
    ben.client.post(f"/users/{anna.user_id}/block").succeeded()
    with online(shared_server, ben) as bens:
        assert bens.wait_for_messages(1)[0]["content"] == "before"
