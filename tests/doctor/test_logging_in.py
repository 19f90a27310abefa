"""Chapter 3: who can't log in, and why."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.config import RateLimitSection
from chat_server.operations.doctor.authentication import MANY_FAILED, MANY_REFRESHES_REFUSED_AN_HOUR, QUESTIONS
from chat_server.operations.doctor.lockouts import Attempt, Locked, locked_out
from chat_server.operations.doctor.report import Check
from chat_server.security.lockout import Failed, Failures, LockedOut, Lockout
from tests.client import PASSWORD
from tests.commands.admin import Admin
from tests.doctor.hosts import JOURNAL, examine
from tests.doctor.patient import ask_one
from tests.server import Server, free_port, running_server, write_config

WINDOW_SECONDS = 60
LIMITS = RateLimitSection(
    max_auth_attempts=2,
    max_auth_attempts_per_username=4,
    max_auth_attempts_per_address=5,
    auth_window_seconds=WINDOW_SECONDS,
)
NOW = 10_000_000
WRONG = "Wrong-Horse-7"


def examined(server: Server, check_id: str) -> Check:
    """With what the server has logged as the journal of its host."""
    return examine(server, next(one for one in QUESTIONS if one.id == check_id))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path, server=JOURNAL, rate_limit={"max_auth_attempts": 3}) as server:
        yield server


class TestFailedLogins:
    def test_they_are_counted_with_names_and_addresses(self, server: Server) -> None:
        for name in ("anna", "anna", "bert"):
            server.client().log_in(name, WRONG)
        server.wait_for_log("username=bert")
        check = examined(server, "logins")
        assert check.status == "ok"
        assert "failed logins in the last hour: 3, most by anna (2), bert (1), from 127.0.0.1 (3)" in check.seen

    def test_deleted_accounts_are_counted(self, server: Server) -> None:
        server.client().sign_up("anna").client.delete("/user/me", {"password": PASSWORD}).succeeded()
        server.client().log_in("bert", WRONG)
        server.wait_for_log("failed login")
        assert "deleted accounts, which nobody can log in to: 1" in examined(server, "logins").seen

    def test_a_hundred_of_them_are_somebody_who_guesses(self, tmp_path: Path) -> None:
        with running_server(tmp_path, server=JOURNAL, rate_limit={"enabled": False}) as server:
            for number in range(MANY_FAILED):
                server.client().log_in(f"name_{number}", WRONG)
            server.wait_for_log(f"name_{MANY_FAILED - 1}")
            check = examined(server, "logins")
        assert check.status == "warning"
        assert "prepend deny from 127.0.0.1" in check.remedy

    def test_without_a_journal_it_says_so(self, server: Server) -> None:
        check = ask_one(server.config, "logins")
        assert check.status == "skipped" if not shutil.which("journalctl") else "ok"


class TestLimits:
    def test_what_was_refused_is_told_beside_the_limits(self, server: Server) -> None:
        for _ in range(4):
            server.client().log_in("anna", WRONG)
        check = ask_one(server.config, "rate-limits")
        assert check.status == "ok"
        assert "3 failed logins within 900 s" in check.seen
        assert "0 requests, 1 logins, 0 frames" in check.seen

    def test_switched_off_they_are_a_warning(self, tmp_path: Path) -> None:
        check = ask_one(write_config(tmp_path, port=free_port(), rate_limit={"enabled": False}), "rate-limits")
        assert check.status == "warning"
        assert "[rate_limit] enabled = true" in check.remedy

    @pytest.mark.parametrize(
        ("network", "status"), [("0.0.0.0/0", "warning"), ("::/0", "warning"), ("10.0.0.0/8", "ok")]
    )
    def test_an_exemption_for_half_the_internet_is_a_warning(self, tmp_path: Path, network: str, status: str) -> None:
        config = write_config(tmp_path, port=free_port(), rate_limit={"exempt_networks": [network]})
        assert ask_one(config, "rate-limits").status == status


class TestSessions:
    def test_the_defaults_are_well(self, server: Server) -> None:
        server.client().sign_up("anna").client.post("/auth/refresh").succeeded()
        check = ask_one(server.config, "sessions")
        assert check.status == "ok"
        assert "refreshed in the last hour or less: 1, refused: 0" in check.seen

    @pytest.mark.parametrize("key", ["token_expiry_seconds", "session_idle_seconds"])
    def test_a_short_life_is_a_warning_that_names_the_key(self, tmp_path: Path, key: str) -> None:
        check = ask_one(write_config(tmp_path, port=free_port(), auth={key: 60}), "sessions")
        assert check.status == "warning"
        assert f"[auth] {key} = " in check.remedy

    def test_a_token_used_again_is_named(self, tmp_path: Path) -> None:
        with running_server(tmp_path, server=JOURNAL, auth={"token_expiry_seconds": 1}) as server:
            old = server.client().sign_up("anna")
            newest = old.client.post("/auth/refresh").succeeded()["token"]
            server.client(newest).post("/auth/refresh").succeeded()
            deadline = time.monotonic() + 10
            while old.client.get("/user/me").status == 200:
                assert time.monotonic() < deadline
            assert old.client.post("/auth/refresh").status == 401
            server.wait_for_log("token reused")
        # With tokens that last, as it was with this log before.
        with running_server(tmp_path, server=JOURNAL) as server:
            check = examined(server, "sessions")
        assert check.status == "warning"
        assert "1 sessions were ended because an old token was used again" in check.seen

    def test_refreshes_that_are_refused_again_and_again_are_a_warning(self, server: Server) -> None:
        gone = server.client().sign_up("anna")
        gone.client.post("/auth/logout").succeeded()
        for _ in range(MANY_REFRESHES_REFUSED_AN_HOUR):
            assert gone.client.post("/auth/refresh").status == 401
        check = ask_one(server.config, "sessions")
        assert check.status == "warning"
        assert f"refused: {MANY_REFRESHES_REFUSED_AN_HOUR}" in check.seen


class TestLockouts:
    def test_nobody_is_locked_out_at_first(self, server: Server) -> None:
        server.client().sign_up("anna")
        server.client().log_in("anna", WRONG)
        check = ask_one(server.config, "lockouts")
        assert check.status == "ok"
        assert "1 attempts" in check.seen

    def test_who_is_locked_out_is_named_and_let_in_again_by_the_remedy(self, server: Server) -> None:
        server.client().sign_up("Anna")
        for _ in range(3):
            server.client().log_in("ANNA", WRONG)
        check = ask_one(server.config, "lockouts")
        assert check.status == "warning"
        assert check.entries == ["3.2"]
        told = re.search(r"anna from 127\.0\.0\.1 until (\d\d:\d\d:\d\d)", check.seen)
        assert told
        until = dt.datetime.now().astimezone() + dt.timedelta(minutes=15)
        near = {f"{until - dt.timedelta(seconds=late):%H:%M:%S}" for late in range(30)}
        assert told[1] in near
        command = check.remedy.splitlines()[0].split()
        assert command[:2] == ["sudo", "chat-server"]
        assert command[-3:] == ["users", "unlock", "Anna"]
        assert Admin(server.config, server.database).run(*command[-3:]).code == 0
        assert ask_one(server.config, "lockouts").status == "ok"

    def test_a_name_that_nobody_has_needs_no_unlocking(self, server: Server) -> None:
        for _ in range(3):
            server.client().log_in("nobody", WRONG)
        check = ask_one(server.config, "lockouts")
        assert "nobody from 127.0.0.1" in check.seen
        assert "unlock" not in check.remedy

    def test_they_are_found_when_the_server_is_down(self, server: Server) -> None:
        for _ in range(3):
            server.client().log_in("nobody", WRONG)
        server.stop()
        assert "nobody from 127.0.0.1" in ask_one(server.config, "lockouts").seen

    @given(
        st.lists(
            st.tuples(
                st.sampled_from("ab"), st.sampled_from(["1", "2"]), st.sampled_from([0, 0, 0, 1]), st.integers(0, 90)
            ),
            max_size=14,
        ).map(lambda made: sorted(made, key=lambda one: -one[3]))
    )
    def test_they_are_those_of_the_servers_own_rule(self, made: list[tuple[str, str, int, int]]) -> None:
        """The last number is how many seconds ago the attempt was."""
        rows = [Attempt(name, place, succeeded, NOW - ago * 1000) for name, place, succeeded, ago in made]
        found = locked_out(rows, LIMITS, now=NOW)
        for name in "ab":
            for place in ("1", "2"):
                waits = [one.until - NOW for one in found if _is_about(one, name, place)]
                assert max(waits, default=0) == _wait_by_the_server(rows, name, place)


def _is_about(one: Locked, name: str, place: str) -> bool:
    return one.username in {name, ""} and one.address in {place, ""}


def _wait_by_the_server(rows: list[Attempt], name: str, place: str) -> int:
    """What a login would be told now, by what auth_logs says of the two: as chat/logins.py reads it."""
    young = [row for row in rows if row.created_at > NOW - WINDOW_SECONDS * 1000]
    after = max(
        (at for at, row in enumerate(rows, 1) if (row.username, row.address, row.succeeded) == (name, place, 1)),
        default=0,
    )
    pair = [row for row in rows[after:] if row in young and (row.username, row.address) == (name, place)]
    failures = Failures(
        pair=_failed(pair, LIMITS.max_auth_attempts),
        username=_failed([row for row in young if row.username == name], LIMITS.max_auth_attempts_per_username),
        address=_failed([row for row in young if row.address == place], LIMITS.max_auth_attempts_per_address),
    )
    try:
        with Lockout(LIMITS).attempt(name, place, lambda: failures, now=NOW):
            return 0
    except LockedOut as locked:
        return locked.retry_after_ms


def _failed(rows: list[Attempt], bound: int) -> Failed:
    newest = sorted((row.created_at for row in rows if not row.succeeded), reverse=True)[:bound]
    return Failed(len(newest), newest[-1] if newest else 0)
