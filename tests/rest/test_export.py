"""Everything that is stored about a person, for that person."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.client import Person
from tests.device import online
from tests.server import UNMEASURED, Server, running_server


def test_holds_all_that_is_stored(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone, online(shared_server, ben) as other:
        conversation_id = phone.say(ben, "hello")["conversationId"]
        other.say(anna, "hello yourself")
    anna.client.log_in(anna.username, "Wrong-Guess-1")
    anna.client.post(f"/users/{ben.user_id}/block").succeeded()

    answer = anna.client.get("/user/me/export")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["transfer-encoding"] == "chunked"
    body = answer.json
    assert set(body) == {*("exportedAt", "account", "sessions", "loginAttempts", "invites", "blocks", "conversations")}
    assert (body["account"]["userId"], body["account"]["username"]) == (anna.user_id, anna.username)
    assert body["account"]["lastSeenAt"] is None or body["account"]["lastSeenAt"] > 0
    assert [session["address"] for session in body["sessions"]] == ["127.0.0.1"]
    assert [attempt["succeeded"] for attempt in body["loginAttempts"]] == [False]
    assert body["invites"] == []
    assert [blocked["userId"] for blocked in body["blocks"]] == [ben.user_id]
    [conversation] = body["conversations"]
    assert (conversation["conversationId"], conversation["participantUsername"]) == (conversation_id, ben.username)
    assert [(message["senderId"], message["content"]) for message in conversation["messages"]] == [
        (anna.user_id, "hello"),
        (ben.user_id, "hello yourself"),
    ]


def test_holds_no_secret_and_nothing_of_others(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, ben) as phone:
        phone.say(shared_server.client().sign_up(f"third_{ben.username}"), "not for anna")
    shared_server.client().log_in(ben.username, "Wrong-Guess-1")
    answer = anna.client.get("/user/me/export")
    assert answer.json["loginAttempts"] == answer.json["conversations"] == []
    text = answer.body.decode()
    assert "not for anna" not in text
    assert "argon2" not in text
    assert anna.token not in text


def test_a_large_one_takes_little_memory(tmp_path: Path) -> None:
    """200,000 messages of 500 characters: 100 MB and more of JSON, in a few MB of memory."""
    with running_server(tmp_path, environ=UNMEASURED, database={"readers": 1}) as server:
        anna, ben = server.client().sign_up("anna"), server.client().sign_up("ben")
        started = anna.client.post("/conversations/start", {"otherUserId": ben.user_id}).succeeded()
        fill(server, started["conversationId"], anna, 200_000)
        before = peak_mib(server)
        exported = anna.client.get("/user/me/export")
        assert len(exported.body) > 100_000_000
        assert len(json.loads(exported.body)["conversations"][0]["messages"]) == 200_000
        assert peak_mib(server) - before < 30


def fill(server: Server, conversation_id: str, sender: Person, messages: int) -> None:
    with sqlite3.connect(server.database) as database:
        database.executemany(
            "INSERT INTO messages (conversation_id, seq, client_id, sender_id, content, created_at)"
            " VALUES (?, ?, ?, ?, ?, 1700000000000)",
            ((conversation_id, seq, f"m{seq}", sender.user_id, "x" * 500) for seq in range(1, messages + 1)),
        )
        database.execute("UPDATE conversations SET last_seq = ? WHERE id = ?", (messages, conversation_id))
    database.close()


def peak_mib(server: Server) -> float:
    """The most memory the server has taken so far."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
