"""Chapter 5: the server is slow, or needs too much."""

from __future__ import annotations

import json
import uuid

import pytest

from infra_tests.drills.disposable import wait_for
from infra_tests.drills.drill import Drill
from infra_tests.drills.proxy import upgrade
from infra_tests.drills.stranger import ADDRESS, HOST, Stranger
from tests.client import Client, Person
from tests.device import Device, online

DATABASE = "/var/lib/chat-server/chat.db"
FLOOD = "infra_tests.drills.flood"
FLOOD_SECONDS = 120
LONGER_THAN_ANY_MS = "60000"
STATUS = "curl -s http://localhost:8080/status | jq '.connections.activeWebsocket'"
INDEXES = ("idx_users_username", "idx_conversations_user1_id", "idx_conversations_user2_id")
HISTORY = "idx_messages_conversation_id"


def people(drill: Drill) -> tuple[Person, Person]:
    """Two who have nothing to do with the drill's own conversation."""
    ann, bob = (drill.client.sign_up(f"{name}_{uuid.uuid4().hex[:8]}") for name in ("ann", "bob"))
    return ann, bob


def write(device: Device, to: Person, count: int, *, length: int = 0) -> str:
    """Sends so many messages, of so many characters at least, and waits for all acks; gives the conversation's id."""
    ids = [device.write(to, f"message number {number}".ljust(length, ".")) for number in range(count)]
    return str([device.ack(message_id) for message_id in ids][-1]["conversationId"])


@pytest.mark.entry("5.1")
def test_a_flood_is_held_back_and_shut_out_while_others_talk_on(drill: Drill) -> None:
    stranger = Stranger(drill)
    stranger.bring(FLOOD, "tests.faults.line")
    with drill.talking() as talk:
        interruptions = talk.interruptions
        with drill.provoked("a client that sends without a pause"):
            flood = stranger.start(f"python3 -m {FLOOD} {HOST} {FLOOD_SECONDS}")
            flood.wait_for("flooding")
            assert ADDRESS in drill.logged("flood stopped")

        with drill.diagnosed():
            top = drill.start("TERM=xterm top -p $(pgrep -d, -x chat-server)")
            top.wait_for(f" {drill.shows('MainPID')} ")
            top.press_ctrl_c()
            assert int(drill.guide(STATUS).out) >= 2
            count = 'sudo journalctl -u chat-server | grep "message sent" | tail -100 | wc -l'
            assert int(drill.guide(count).out) > 0
        drill.named_by_doctor("load", status="warning", seen="refused for their rate")

        ann, bob = people(drill)
        with online(drill.host, ann) as anns, online(drill.host, bob) as bobs:
            write(anns, bob, 10)
            bobs.wait_for_messages(10)
        flood.press_ctrl_c()

        with drill.cured():
            drill.guide("sudo ufw deny from <ATTACKER_IP>", {"<ATTACKER_IP>": ADDRESS})
            asked = f"curl -s http://{HOST}:8080/health --max-time"
            assert stranger.types(f"{asked} 20").code == 0, "the guide's rule stands behind those that let everybody in"
            drill.ours(f"sudo ufw delete deny from {ADDRESS}")
            drill.ours(f"sudo ufw prepend deny from {ADDRESS}")
            assert stranger.types(f"{asked} 2").code != 0
            drill.named_by_doctor("denied-addresses", status="ok", seen="shuts out: 1")
        acknowledged = talk.acknowledged
        wait_for("more messages", lambda: talk.acknowledged > acknowledged)
    assert talk.interruptions == interruptions


@pytest.mark.entry("5.2")
def test_a_slow_query_is_logged_with_its_name_and_time(drill: Drill) -> None:
    ann, bob = people(drill)
    with online(drill.host, ann) as anns:  # enough to take some 10 ms on any machine
        conversation = write(anns, bob, 1000, length=3000)

    def search() -> bool:
        found = bob.client.get(f"/conversations/{conversation}/search", q="nowhere").succeeded()["matches"]
        return len(found) == 0

    with drill.provoked("queries that take longer than they may, which is 1 ms here"):
        drill.configure("database", "slow_query_ms", LONGER_THAN_ANY_MS)
        drill.restart()
        assert search()
        assert "slow query" not in drill.journal()
        drill.configure("database", "slow_query_ms", "1")
        drill.restart()
        wait_for("a slow query", lambda: search() and "slow query" in drill.journal())

    with drill.diagnosed():
        pragma = f'sqlite3 {DATABASE} "PRAGMA query_only = ON;"'
        assert drill.guide_mended(pragma, f"sudo -u chat-server {pragma}").text == ""
        assert "ms=" in drill.guide('sudo journalctl -u chat-server | grep "slow query"').out
    drill.named_by_doctor("slow-queries", status="warning", seen="the slowest")

    with drill.cured():
        drill.configure("database", "slow_query_ms", LONGER_THAN_ANY_MS)
        drill.restart()
        told = drill.journal().count("slow query")
        assert search()
        assert drill.journal().count("slow query") == told


@pytest.mark.entry("5.3")
def test_more_sockets_than_there_may_be_are_refused_in_words(drill: Drill) -> None:
    ann, bob = people(drill)
    with drill.provoked("no more than two sockets, and a third person"):
        drill.configure("limits", "max_connections", "2")
        drill.restart()
        with online(drill.host, ann), online(drill.host, bob):
            late = drill.ours(upgrade("http://localhost:8080", ann.token), code=None)
            assert "503" in late.out
            assert "TOO_MANY_CONNECTIONS" in late.out
            with drill.diagnosed():
                assert int(drill.guide(STATUS).out) == 2
                assert "/opt/chat-server/chat-server" in drill.guide("ps aux | grep chat-server").out
            drill.named_by_doctor("connections", status="warning", seen="2 of 2 sockets are open")

    with drill.cured():
        drill.configure("limits", "max_connections", "10000")
        drill.restart()
        with online(drill.host, ann), online(drill.host, bob), online(drill.host, ann):
            pass


@pytest.mark.entry("5.3")
def test_nginx_lets_one_address_have_only_so_many_sockets(drill: Drill) -> None:
    with drill.provoked("two sockets for an address at the proxy, and a third"):
        drill.root("sed -i 's/limit_conn chat_connections .*;/limit_conn chat_connections 2;/' /etc/nginx/nginx.conf")
        drill.guide("sudo nginx -t")
        drill.guide("sudo systemctl reload nginx")
        ann, _ = people(drill)
        stranger = Stranger(drill)
        command = upgrade(f"https://{HOST}", ann.token)
        held = [stranger.start(command) for _ in range(2)]
        for socket in held:
            socket.wait_for("101 Switching Protocols")
        assert " 429 " in stranger.types(command).out
    with drill.cured():
        for socket in held:
            socket.press_ctrl_c()
        stranger.start(command).wait_for("101 Switching Protocols")


@pytest.mark.entry("5.4")
def test_who_asks_for_a_whole_history_gets_a_page(drill: Drill) -> None:
    ann, bob = people(drill)
    with drill.provoked("a conversation of 300 messages, and a client that asks for all of them at once"):
        with online(drill.host, ann) as anns:
            conversation = write(anns, bob, 300)
        page = history(bob.client, conversation, limit=1_000_000)
        assert len(page["messages"]) == 100
        assert page["hasMore"]

    with drill.diagnosed():
        assert "/opt/chat-server/chat-server" in drill.guide("ps aux | grep chat-server").out
    drill.named_by_doctor("histories", status="ok", seen="a page has 100 at most")

    with drill.cured():
        seqs: list[int] = []
        while page["hasMore"] or not seqs:
            page = history(bob.client, conversation, limit=50, before=seqs[0] if seqs else 301)
            assert len(page["messages"]) == 50
            seqs = [one["seq"] for one in page["messages"]] + seqs
        assert seqs == list(range(1, 301))


def history(client: Client, conversation: str, **query: int) -> dict[str, list[dict[str, int]]]:
    page: dict[str, list[dict[str, int]]] = client.get(f"/conversations/{conversation}/messages", **query).succeeded()
    return page


@pytest.mark.entry("5.5")
def test_a_missing_index_is_named_and_made_again(drill: Drill) -> None:
    ann, _ = people(drill)
    names = f'sqlite3 {DATABASE} ".indexes"'
    plan = f"sqlite3 {DATABASE} \"EXPLAIN QUERY PLAN SELECT * FROM messages WHERE conversation_id='conv-123';\""
    with drill.provoked("indexes that somebody has dropped"):
        drops = "; ".join(f"DROP INDEX IF EXISTS {name}" for name in ("idx_conversations_user2_id", HISTORY))
        drill.root(f"sudo -u chat-server sqlite3 -cmd '.timeout 10000' {DATABASE} '{drops}'")

    with drill.diagnosed():
        asked = 'time curl -H "Authorization: Bearer $TOKEN" http://localhost:8080/user/me'
        assert "real" in drill.guide(asked, {"$TOKEN": ann.token}).text
        shown = drill.guide_mended(names, f"sudo -u chat-server {names}").out
        assert "idx_conversations_user2_id" not in shown
        assert HISTORY not in shown
        assert HISTORY not in drill.guide_mended(plan, f"sudo -u chat-server {plan}").out
    named = drill.named_by_doctor("indexes", seen=HISTORY)

    with drill.cured():
        for command in named["remedy"].splitlines():
            drill.ours(command)
        shown = drill.ours(f"sudo -u chat-server {names}").out
        assert [name for name in (*INDEXES, HISTORY) if name not in shown] == []
        assert HISTORY in drill.ours(f"sudo -u chat-server {plan}").out
        assert [check["status"] for check in drill.doctor()["checks"] if check["id"] == "indexes"] == ["ok"]


@pytest.mark.entry("5.6")
def test_a_large_database_is_named_at_its_bound(drill: Drill) -> None:
    with drill.provoked("a database larger than [database] large_bytes, which is 64 KiB here"):
        drill.configure("database", "large_bytes", "65536")
        drill.restart()

    with drill.diagnosed():
        asked = f"du -sh {DATABASE}"
        assert DATABASE in drill.guide_mended(asked, f"sudo {asked}").out
    named = drill.named_by_doctor("size", status="warning", seen="large")
    assert "docs/deployment.md" in named["remedy"]

    with drill.cured():
        drill.configure("database", "large_bytes", str(10 * 2**30))
        drill.restart()
        assert json.loads(drill.ours("sudo chat-server doctor --json --only size").out)["status"] == "ok"
