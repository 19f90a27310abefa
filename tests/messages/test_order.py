"""One order of messages per conversation, the same for everybody everywhere."""

from __future__ import annotations

import threading

from tests.client import Person
from tests.conftest import Newcomer
from tests.device import Device, online
from tests.server import Server
from tests.wire import texts, wired

EACH = 60


def by_seq(device: Device, own: dict[str, str]) -> dict[int, str]:
    """What the device knows of the conversation: what was pushed to it, and its own as acknowledged."""
    known = {message["seq"]: message["content"] for message in device.messages()}
    for frame in device.of("ack"):
        if frame["data"]["status"] == "sent":
            known[frame["data"]["seq"]] = own[frame["id"]]
    return known


def test_both_see_the_same_order(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        wrote: dict[Device, dict[str, str]] = {annas: {}, bens: {}}

        def chatter(device: Device, to: Person, name: str) -> None:
            for number in range(EACH):
                wrote[device][device.write(to, f"{name} {number}")] = f"{name} {number}"

        writers = [
            threading.Thread(target=chatter, args=(annas, ben, "anna")),
            threading.Thread(target=chatter, args=(bens, anna, "ben")),
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        annas.wait_for_messages(EACH)
        bens.wait_for_messages(EACH)
        for device in (annas, bens):
            for message_id in wrote[device]:
                device.ack(message_id)
        seen_by_anna, seen_by_ben = by_seq(annas, wrote[annas]), by_seq(bens, wrote[bens])
        conversation = annas.messages()[0]["conversationId"]

    assert sorted(seen_by_anna) == list(range(1, 2 * EACH + 1))
    assert seen_by_anna == seen_by_ben
    for name in ("anna", "ben"):
        own = [content for _seq, content in sorted(seen_by_anna.items()) if content.startswith(name)]
        assert own == [f"{name} {number}" for number in range(EACH)]
    pages = [
        ben.client.get(f"/conversations/{conversation}/messages", limit=100, after=after).succeeded()["messages"]
        for after in (0, 100)
    ]
    assert {message["seq"]: message["content"] for page in pages for message in page} == seen_by_anna


def test_pushes_come_in_the_order_of_their_numbers(shared_server: Server, anna: Person, ben: Person) -> None:
    with (
        online(shared_server, anna) as phone,
        online(shared_server, anna) as laptop,
        online(shared_server, ben) as bens,
    ):
        for number in range(EACH):
            (phone, laptop)[number % 2].write(ben, f"{number}")
        assert [message["seq"] for message in bens.wait_for_messages(EACH)] == list(range(1, EACH + 1))
        for device in (phone, laptop):
            pushed = [message["seq"] for message in device.wait_for_messages(EACH // 2)]
            assert pushed == sorted(pushed)


def test_who_writes_faster_than_the_disk_takes_is_slowed_not_refused(
    shared_server: Server, anna: Person, ben: Person
) -> None:
    """Many more than the server reads from one client before it has acknowledged some."""
    count = 2000
    frames = [
        {"id": f"{number}", "type": "message", "data": {"recipientId": ben.user_id, "content": f"{number}"}}
        for number in range(count)
    ]
    with wired(shared_server, anna.token) as wire:
        wire.send(*frames)
        came = wire.read_until(lambda frames: len(frames) > count, seconds=30)
    assert [frame["id"] for frame in texts(came, "ack")] == [f"{number}" for number in range(count)]


def test_each_conversation_counts_for_itself(shared_server: Server, anna: Person, newcomer: Newcomer) -> None:
    others = [newcomer() for _ in range(3)]
    with online(shared_server, anna) as phone:
        seqs = [phone.say(other, "hello")["seq"] for _round in range(3) for other in others]
    assert seqs == [1, 1, 1, 2, 2, 2, 3, 3, 3]
