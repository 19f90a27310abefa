"""Delivered means: a PONG has proved that the recipient's machine has it. Anna writes, Ben's client answers or not."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from websockets.frames import Frame

from tests.client import Person
from tests.conftest import Newcomer
from tests.device import Device, online
from tests.server import Server, running_server
from tests.wire import Wire, pings, texts, wired


def get_messages(wire: Wire, count: int) -> list[Frame]:
    """Reads until so many messages, and a PING behind them, have come."""

    def complete(frames: list[Frame]) -> bool:
        behind = [index for index, frame in enumerate(frames) if texts([frame], "message")][count - 1 : count]
        return bool(behind) and pings(frames[behind[0] :]) != []

    return wire.read_until(complete)


def status(reader: Person, conversation_id: str) -> list[str]:
    page = reader.client.get(f"/conversations/{conversation_id}/messages").succeeded()
    return [message["status"] for message in page["messages"]]


def nothing_delivered(device: Device) -> bool:
    """Waits long enough for what was on its way."""
    device.sync()
    device.sync()
    return device.receipts("delivered") == []


def test_the_senders_devices_are_told(shared_server: Server, anna: Person, ben: Person) -> None:
    with (
        online(shared_server, anna) as phone,
        online(shared_server, anna) as laptop,
        online(shared_server, ben) as bens,
    ):
        sent = phone.say(ben, "hello")
        for device in (phone, laptop):
            frame = device.wait_for_receipt("delivered", 1)
            assert frame["data"] == {
                "status": "delivered",
                "messageId": sent["messageId"],
                "conversationId": sent["conversationId"],
                "upToSeq": 1,
                "userId": ben.user_id,
            }
        bens.sync()
        assert bens.of("ack") == []


def test_not_before_the_pong(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, wired(shared_server, ben.token) as bens:
        conversation = annas.say(ben, "hello")["conversationId"]
        ping = pings(get_messages(bens, 1))[0]
        assert nothing_delivered(annas)
        assert status(anna, conversation) == ["sent"]
        bens.pong(ping)
        annas.wait_for_receipt("delivered", 1)
        assert status(anna, conversation) == ["delivered"]


def test_not_by_other_bytes(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, wired(shared_server, ben.token) as bens:
        annas.say(ben, "hello")
        ping = pings(get_messages(bens, 1))[0]
        for guess in (b"", b"hello", b"-1", b"0", b"%d" % (int(ping) + 1), b"9" * 16, b"9" * 125, ping + b" ", b"\xb2"):
            bens.pong(guess)
        bens.send({"id": "h", "type": "heartbeat"}, {"type": "read", "data": {"conversationId": "?", "upToSeq": 1}})
        bens.read_until(lambda frames: bool(texts(frames, "heartbeat")))
        assert nothing_delivered(annas)
        bens.pong(ping)
        annas.wait_for_receipt("delivered", 1)


def test_a_burst_costs_one_round_trip(tmp_path: Path) -> None:
    rare_heartbeats = {"heartbeat_seconds": 3600}
    with running_server(tmp_path, websocket=rare_heartbeats, rate_limit={"enabled": False}) as server:
        anna, ben = server.client().sign_up("anna"), server.client().sign_up("ben")
        with online(server, anna) as annas, wired(server, ben.token) as bens:
            annas.say(ben, "the first")
            first = get_messages(bens, 1)
            for number in range(30):
                annas.say(ben, f"while the PING is under way {number}")
            during = bens.read_until(lambda frames: len(texts(frames, "message")) == 30)
            assert len(pings(first)) == 1
            assert pings(during) == []
            bens.pong(pings(first)[0])
            assert annas.wait_for_receipt("delivered", 1)["data"]["upToSeq"] == 1
            second = pings(bens.read_until(lambda frames: bool(pings(frames))))
            bens.pong(second[0])
            annas.wait_for_receipt("delivered", 31)
            assert bens.read(seconds=0.2) == []
            assert int(second[0]) == int(pings(first)[0]) + 1
            assert annas.receipts("delivered") == [1, 31]


def test_answering_the_newest_ping_is_enough(tmp_path: Path) -> None:
    """RFC 6455 section 5.5.3. Heartbeats share the numbering."""
    heartbeat = {"heartbeat_seconds": 2, "heartbeat_timeout_seconds": 1}
    with running_server(tmp_path, websocket=heartbeat) as server:
        anna, ben = server.client().sign_up("anna"), server.client().sign_up("ben")
        with online(server, anna) as annas, wired(server, ben.token) as bens:
            annas.say(ben, "hello")
            asked = pings(bens.read_until(lambda frames: len(pings(frames)) == 2))
            assert int(asked[0]) < int(asked[1])
            assert nothing_delivered(annas)
            bens.pong(asked[1])
            annas.wait_for_receipt("delivered", 1)


def test_one_pong_proves_every_conversation(shared_server: Server, newcomer: Newcomer, ben: Person) -> None:
    with ExitStack() as stack:
        phones = [stack.enter_context(online(shared_server, newcomer())) for _ in range(3)]
        for phone in phones:
            phone.say(ben, "hello")
        bens = stack.enter_context(wired(shared_server, ben.token))
        last = pings(get_messages(bens, 3))[-1]
        assert all(nothing_delivered(phone) for phone in phones)
        bens.pong(last)
        for phone in phones:
            phone.wait_for_receipt("delivered", 1)


def test_what_was_written_after_the_ping_is_not_proved(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, wired(shared_server, ben.token) as bens:
        annas.say(ben, "one")
        ping = pings(get_messages(bens, 1))[0]
        conversation = annas.say(ben, "two")["conversationId"]
        bens.read_until(lambda frames: bool(texts(frames, "message")))
        bens.pong(ping)
        annas.wait_for_receipt("delivered", 1)
        annas.sync()
        assert annas.receipts("delivered") == [1]
        assert status(anna, conversation) == ["delivered", "sent"]


def test_nothing_is_delivered_to_who_is_away(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas:
        annas.say(ben, "one")
        annas.say(ben, "two")
        assert nothing_delivered(annas)
        with online(shared_server, ben):
            annas.wait_for_receipt("delivered", 2)


def test_a_connection_lost_before_the_pong_delivers_nothing(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas:
        with wired(shared_server, ben.token) as bens:
            annas.say(ben, "hello")
            get_messages(bens, 1)
        assert nothing_delivered(annas)
        with online(shared_server, ben) as again:
            assert [message["content"] for message in again.wait_for_messages(1)] == ["hello"]
            annas.wait_for_receipt("delivered", 1)


def test_the_conversation_list_shows_it(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, online(shared_server, ben):
        annas.say(ben, "one")
        annas.say(ben, "two")
        annas.wait_for_receipt("delivered", 2)
    listed = anna.client.get("/conversations").succeeded()["conversations"][0]
    assert (listed["lastSeq"], listed["deliveredSeq"], listed["readSeq"]) == (2, 2, 0)


def test_the_first_device_to_have_it_is_enough(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, wired(shared_server, ben.token) as mute, online(shared_server, ben):
        annas.say(ben, "hello")
        annas.wait_for_receipt("delivered", 1)
        ping = pings(get_messages(mute, 1))[0]
        mute.pong(ping)
        annas.sync()
        annas.sync()
        assert annas.receipts("delivered") == [1]
