"""Ways to tell somebody: a web server, a program, the host's mail program; and what is said when they fail."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Protocol

import pytest

from chat_server.operations.alerts import hooks
from chat_server.operations.alerts.hooks import HookError, mail, post, run
from chat_server.operations.alerts.news import News, changes
from chat_server.operations.doctor.report import report as report_of
from tests.alerts.receiver import Receiver, receiving
from tests.alerts.reports import check, host_with
from tests.server import free_port

NEWS = News(
    host="chat1",
    version="1.2.3",
    at=1_764_000_000_000,
    status="failure",
    changes=changes(host_with(disk="failure", port="ok"), ["port"]),
)


class Program(Protocol):
    def __call__(self, line: str, name: str = "program") -> str: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Makes an executable of a line for the shell; gives its path."""

    def make(line: str, name: str = "program") -> str:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{line}\n")
        file.chmod(0o755)
        return str(file)

    return make


# A web server.


def test_a_webhook_gets_the_news_as_json(receiver: Receiver) -> None:
    post(receiver.url, NEWS)
    assert receiver.paths == ["/hooks/known-to-few?room=1"]
    assert receiver.content_types == ["application/json"]
    (document,) = receiver.documents
    assert {name: document[name] for name in ("host", "version", "at", "status", "test")} == {
        "host": "chat1",
        "version": "1.2.3",
        "at": 1_764_000_000_000,
        "status": "failure",
        "test": False,
    }
    assert document["changes"][0] == {
        "change": "turned bad",
        "id": "disk",
        "entries": ["1.6"],
        "status": "failure",
        "seen": "disk was seen to be failure",
        "remedy": "sudo mend disk\nsudo look again",
        "chapter": "1.6 The disk is full",
    }


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_only_a_good_answer_counts(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(HookError, match=rf"http://127\.0\.0\.1:{receiver.port} answers {status}$"):
        post(receiver.url, NEWS)


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving() as elsewhere:
        receiver.status, receiver.location = 307, elsewhere.url
        with pytest.raises(HookError, match="answers 307"):
            post(receiver.url, NEWS)
        assert elsewhere.documents == []


def test_what_only_few_know_of_the_address_is_in_no_error() -> None:
    with pytest.raises(HookError) as caught:
        post(f"http://127.0.0.1:{free_port()}/hooks/known-to-few?key=s3cret", NEWS)
    assert "Connection refused" in str(caught.value)
    assert "known-to-few" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_stranger_without_a_good_certificate_gets_nothing(receiver: Receiver) -> None:
    with pytest.raises(HookError, match=r"https://127\.0\.0\.1:\d+: "):
        post(receiver.url.replace("http:", "https:"), NEWS)
    assert receiver.documents == []


def test_one_who_answers_a_byte_at_a_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "WEBHOOK_SECONDS", 0.5)
    begun = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            peer, _ = listener.accept()
            with peer:
                while True:
                    try:
                        peer.sendall(b"H")
                    except OSError:
                        return
                    time.sleep(0.05)

        dripping = threading.Thread(target=drip)
        dripping.start()
        with pytest.raises(HookError):
            post(f"http://127.0.0.1:{listener.getsockname()[1]}/", NEWS)
        assert time.monotonic() - begun < 5
        dripping.join()


# A program.


def test_a_command_reads_the_news_as_json(program: Program, tmp_path: Path) -> None:
    run([program('cat > "$1"'), str(tmp_path / "got")], NEWS)
    document = json.loads((tmp_path / "got").read_text())
    assert [change["id"] for change in document["changes"]] == ["disk", "port"]


def test_a_command_does_not_get_our_variables(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_SERVER_AUTH__JWT_SECRET", "s3cret")
    run([program('env > "$1"'), str(tmp_path / "got")], NEWS)
    assert "PATH=" in (tmp_path / "got").read_text()
    assert "s3cret" not in (tmp_path / "got").read_text()


def test_a_command_that_fails_is_named_without_its_arguments(program: Program) -> None:
    failing = program("exit 3")
    with pytest.raises(HookError) as caught:
        run([failing, "--key=s3cret"], NEWS)
    assert str(caught.value) == f"{failing} ended with 3"


def test_a_command_that_need_not_read_is_fine(program: Program) -> None:
    run([program("exit 0")], NEWS)


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(HookError, match=r"^/nowhere/at/all: No such file or directory$"):
        run(["/nowhere/at/all"], NEWS)


def test_a_command_that_hangs_is_ended(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "PROGRAM_SECONDS", 0.2)
    with pytest.raises(HookError, match="did not end within"):
        run([program("exec sleep 60")], NEWS)


# The host's mail program. This one keeps what it is given; the tests on hosts have Debian's dma deliver it.


@pytest.fixture
def sendmail(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it keeps what it was given, and beside it its arguments."""
    directory = Path(program(f'echo "$*" > {tmp_path}/arguments; cat > {tmp_path}/letter', "sendmail")).parent
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return tmp_path / "letter"


def test_a_letter_says_in_its_subject_whether_to_get_up(sendmail: Path) -> None:
    mail(["ann@example.org", "root"], NEWS)
    letter = message_from_bytes(sendmail.read_bytes(), policy=policy.default)
    assert letter["Subject"] == "chat-server on chat1: turned bad: disk; well again: port"
    assert letter["To"] == "ann@example.org, root"
    assert (sendmail.parent / "arguments").read_text() == "-i ann@example.org root\n"


def test_a_letter_says_what_was_seen_and_what_to_type(sendmail: Path) -> None:
    mail(["root"], NEWS)
    letter = message_from_bytes(sendmail.read_bytes(), policy=policy.default)
    assert letter.get_content().splitlines() == [
        "turned bad: disk: disk was seen to be failure",
        "    sudo mend disk",
        "    sudo look again",
        '    more: docs/troubleshooting.md, "1.6 The disk is full"',
        "well again: port: port was seen to be ok",
    ]


def test_without_a_mail_program_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(hooks, "ADMIN_PATH", str(tmp_path))
    with pytest.raises(HookError, match="there is no sendmail program: install one"):
        mail(["root"], NEWS)


def test_what_others_wrote_into_the_log_steers_no_terminal(sendmail: Path) -> None:
    report = report_of([check("disk\x1b[2J", "failure")])
    mail(["root"], News("chat1", "1", 0, "failure", changes(report, [])))
    letter = message_from_bytes(sendmail.read_bytes(), policy=policy.default)
    assert not re.search("[\x00-\x09\x0b-\x1f]", letter.get_content())
