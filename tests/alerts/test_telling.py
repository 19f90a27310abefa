"""`chat-server doctor --alert`, from run to run: told once, told again what did not arrive, whatever else is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest

from chat_server.operations.doctor.report import Status
from tests.alerts.receiver import Receiver, receiving
from tests.alerts.reports import host_with
from tests.commands.admin import Admin, Done
from tests.server import free_port, write_config


class Watch:
    """An admin's host, whose reports a test writes."""

    def __init__(self, directory: Path, alerts: Mapping[str, object]) -> None:
        self.directory = directory
        self.report = directory / "report.json"
        self.state = directory / "told.json"
        self.alert_to(alerts)

    def alert_to(self, alerts: Mapping[str, object]) -> None:
        config = write_config(self.directory, port=free_port(), alerts=alerts)
        self.admin = Admin(config, self.directory / "chat.db")

    def sees(self, **statuses: Status) -> Done:
        """The next run's report is this."""
        self.report.write_text(json.dumps(asdict(host_with(**statuses))))
        return self.alerts()

    def alerts(self, *words: str) -> Done:
        return self.admin.run("doctor", "--alert", "--report", str(self.report), "--state", str(self.state), *words)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def watch(tmp_path: Path, receiver: Receiver) -> Watch:
    return Watch(tmp_path, {"webhook_url": receiver.url})


def test_a_failure_is_told_once_and_its_end_once(watch: Watch, receiver: Receiver) -> None:
    codes = [
        watch.sees(disk=status).code for status in ("ok", "failure", "failure", "warning", "ok", "failure", "failure")
    ]
    assert receiver.changes == [
        [("disk", "turned bad")],
        [("disk", "well again")],
        [("disk", "turned bad")],
    ]
    assert codes == [0, 2, 2, 0, 0, 2, 2]


def test_it_prints_what_turned_and_nothing_else(watch: Watch) -> None:
    turned = watch.sees(disk="failure", port="ok")
    assert turned.output.splitlines()[:2] == ["turned bad: disk: disk was seen to be failure", "    sudo mend disk"]
    assert watch.sees(disk="failure", port="ok").output == ""


def test_what_did_not_arrive_is_told_again(watch: Watch, receiver: Receiver) -> None:
    receiver.status = 500
    lost = watch.sees(disk="failure")
    assert lost.code == 75
    assert lost.errors == f"chat-server: [alerts] webhook_url: http://127.0.0.1:{receiver.port} answers 500\n"
    receiver.status = 200
    assert watch.sees(disk="failure").code == 2
    assert watch.sees(disk="failure").code == 2
    assert receiver.changes == [[("disk", "turned bad")]] * 2


def test_who_was_reached_is_not_told_again_because_another_was_not(
    watch: Watch, receiver: Receiver, tmp_path: Path
) -> None:
    watch.alert_to(
        {"webhook_url": receiver.url, "command": ["/bin/sh", "-c", f"cat >>{tmp_path}/got; test -e {tmp_path}/up"]}
    )
    assert watch.sees(disk="failure").code == 75
    (tmp_path / "up").touch()
    assert watch.sees(disk="failure").code == 2
    assert receiver.changes == [[("disk", "turned bad")]]
    assert len((tmp_path / "got").read_text().splitlines()) == 2


def test_who_is_added_later_hears_what_fails_then(watch: Watch, receiver: Receiver, tmp_path: Path) -> None:
    watch.sees(disk="failure")
    watch.alert_to({"webhook_url": receiver.url, "command": ["/bin/sh", "-c", f"cat >>{tmp_path}/got"]})
    watch.sees(disk="failure")
    assert len(receiver.documents) == 1
    assert json.loads((tmp_path / "got").read_text())["changes"][0]["id"] == "disk"


@pytest.mark.parametrize("spoilt", ["[alerts\n", "[server]\nport = 99999\n", ""])
def test_a_configuration_that_was_spoilt_keeps_nobody_from_hearing_of_it(
    watch: Watch, receiver: Receiver, spoilt: str
) -> None:
    watch.sees(config="ok")
    if spoilt:
        watch.admin.config.write_text(spoilt)
    else:
        watch.admin.config.unlink()
    assert watch.sees(config="failure").code == 2
    assert receiver.changes == [[("config", "turned bad")]]


def test_a_report_that_was_not_made_is_itself_told_and_forgets_nothing(watch: Watch, receiver: Receiver) -> None:
    watch.sees(disk="failure")
    watch.report.unlink()
    watch.alerts()
    watch.alerts()
    watch.sees(disk="failure")
    assert receiver.changes == [
        [("disk", "turned bad")],
        [("examination", "turned bad")],
        [("examination", "well again")],
    ]
    assert "report.json: No such file or directory" in receiver.documents[1]["changes"][0]["seen"]


@pytest.mark.parametrize("left", [b"", b"{", b'{"told": 7}', b"\xff"])
def test_a_state_that_was_spoilt_has_all_that_fails_told_again(watch: Watch, receiver: Receiver, left: bytes) -> None:
    watch.sees(disk="failure")
    watch.state.write_bytes(left)
    watch.sees(disk="failure")
    watch.sees(disk="failure")
    assert receiver.changes == [[("disk", "turned bad")]] * 2


def test_the_state_is_for_its_owner_alone(watch: Watch) -> None:
    watch.sees(disk="failure")
    assert watch.state.stat().st_mode & 0o777 == 0o600
    assert {file.name for file in watch.directory.iterdir()} == {"config.toml", "report.json", "told.json"}


def test_a_machine_gets_the_news_as_the_hooks_do(watch: Watch, receiver: Receiver) -> None:
    watch.report.write_text(json.dumps(asdict(host_with(disk="failure"))))
    told = json.loads(watch.alerts("--json").output)
    assert told["changes"] == receiver.documents[0]["changes"]
    assert json.loads(watch.alerts("--json").output)["changes"] == []


def test_without_a_place_for_the_state_it_says_where_to_make_one(watch: Watch) -> None:
    watch.state = watch.directory / "absent" / "told.json"
    assert watch.sees(disk="ok").refusal.startswith(f"{watch.directory}/absent: there is no such directory: make it")


def test_doctor_looks_itself_where_no_report_was_saved(watch: Watch) -> None:
    done = watch.admin.run("doctor", "--alert", "--state", str(watch.state), "--json")
    assert done.code in {0, 2}, done.errors
    assert json.loads(done.output)["status"] in {"ok", "warning", "failure"}


def test_a_saved_report_is_shown_as_a_fresh_one(watch: Watch) -> None:
    fresh = watch.admin.run("doctor", "--save", str(watch.report), "--json")
    shown = watch.admin.run("doctor", "--report", str(watch.report), "--json")
    assert watch.report.stat().st_mode & 0o777 == 0o640
    checks = json.loads(shown.output)["checks"]
    assert checks[:-1] == json.loads(fresh.output)["checks"]
    assert (checks[-1]["id"], checks[-1]["status"]) == ("examination", "ok")


def test_a_test_reaches_everybody_and_says_that_it_is_one(watch: Watch, receiver: Receiver, tmp_path: Path) -> None:
    watch.alert_to({"webhook_url": receiver.url, "command": ["/bin/sh", "-c", f"cat >>{tmp_path}/got"]})
    done = watch.admin.run("doctor", "--test-alert", "--state", str(watch.state))
    assert (done.code, done.output) == (0, "a test was sent: webhook_url, command\n")
    assert [(news["test"], news["changes"]) for news in receiver.documents] == [(True, [])]
    assert json.loads((tmp_path / "got").read_text())["test"] is True


def test_a_test_that_does_not_arrive_says_why(watch: Watch, receiver: Receiver) -> None:
    receiver.status = 403
    done = watch.admin.run("doctor", "--test-alert", "--state", str(watch.state))
    assert (done.code, done.refusal) == (75, f"[alerts] webhook_url: http://127.0.0.1:{receiver.port} answers 403")


def test_a_test_without_anybody_to_tell_is_refused(watch: Watch) -> None:
    watch.alert_to({})
    done = watch.admin.run("doctor", "--test-alert", "--state", str(watch.state))
    assert (done.code, done.refusal) == (
        1,
        "nobody is to be told: [alerts] names neither mail_to nor webhook_url nor command",
    )
