"""The timer that looks every hour: what it may do, and that somebody is told once when it is bad and once when well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from system_tests.packages.conftest import Report
from system_tests.packages.documents import commands
from system_tests.packages.service import CONFIG, Service

REPORT = "/run/chat-server-doctor/report.json"
HOOK = "/usr/local/bin/keep-the-news"
NEWS = "/var/lib/kept-news"
BY_THE_MOMENT = {"clock", "load", "memory", "slow-queries"}
EXPOSURE_AT_MOST = 3.1
"""Of the unit that looks: it is root, for it looks at what is others'."""


@pytest.fixture(autouse=True)
def as_installed(service: Service) -> Iterator[None]:
    """Each test finds a server that runs, nobody who was told of anything, and no timer that looks by itself."""
    host = service.host
    host.run("systemctl stop chat-server-doctor.timer chat-server-doctor.service")
    host.run(f"cp --archive --no-clobber {CONFIG} /var/tmp/config.toml")
    yield
    host.run(f"cp --archive /var/tmp/config.toml {CONFIG}")
    host.run(f"systemctl stop chat-server-alert; rm -rf /var/lib/chat-server-doctor/told.json {NEWS}")
    service.systemctl("restart")


@pytest.fixture
def hook(service: Service) -> None:
    """A program of the admin's that keeps what it is given, and who it was run as."""
    keep = f'#!/bin/sh\n{{ printf "%s " "$(id -un)"; cat; }} >>{NEWS}/log\n'
    service.host.run(f"cat >{HOOK} && chmod 755 {HOOK} && install -d -o chat-server {NEWS}", input=keep)
    service.configure("alerts", "command", f'["{HOOK}"]')


def look(service: Service) -> None:
    """As the timer does; returns when whoever had to be told was told."""
    service.host.run("systemctl start chat-server-doctor")
    # It is begun by the other's end. Where that is over already, it runs once more and has nothing to tell.
    service.host.run("systemctl start chat-server-alert")


def news(service: Service) -> list[tuple[str, Any]]:
    """Who was run, and the document they were given, for each time."""
    kept = service.host.run(f"cat {NEWS}/log", check=False).out
    return [(line.partition(" ")[0], json.loads(line.partition(" ")[2])) for line in kept.splitlines()]


def turns(service: Service, check: str) -> list[str]:
    """What was told of one check."""
    return [change["change"] for _, told in news(service) for change in told["changes"] if change["id"] == check]


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_confined_it_sees_what_root_sees(service: Service, state: str) -> None:
    if state == "stopped":
        service.systemctl("stop")
    service.host.run("systemctl start chat-server-doctor")
    confined = json.loads(service.host.run(f"cat {REPORT}").out)["checks"]
    free = json.loads(service.host.run("chat-server doctor --json", check=False).out)["checks"]
    assert len(free) > 30
    assert verdicts(confined) == verdicts(free)


def verdicts(checks: list[dict[str, Any]]) -> dict[str, str]:
    """Of what does not depend on how busy the machine is at that moment."""
    return {check["id"]: check["status"] for check in checks if check["id"] not in BY_THE_MOMENT}


def test_it_changes_no_file_but_its_report(service: Service) -> None:
    service.systemctl("stop")  # whose files change by themselves
    # In /var/tmp systemd itself makes and removes the units' private directories.
    left_out = r"-not -path '/var/log/*' -not -path '/var/tmp*'"
    files = f"find /etc /opt /srv /usr /var -xdev {left_out} -printf '%p %m %U %s %T@ %C@\\n' | sort"
    before = service.host.run(files).out
    service.host.run("systemctl start chat-server-doctor")
    changed = set(service.host.run(files).out.splitlines()) ^ set(before.splitlines())
    assert {line.partition(" ")[0] for line in changed if "chat-server-doctor" not in line} == set()
    assert service.host.run(f"stat --format '%a %U %G' {REPORT}").out == "640 root chat-server\n"


def test_a_server_that_is_down_is_told_once_and_that_it_is_back_once(service: Service, hook: None) -> None:
    look(service)
    assert turns(service, "service") == []
    service.systemctl("stop")
    look(service)
    look(service)
    assert turns(service, "service") == ["turned bad"]
    service.systemctl("start")
    look(service)
    look(service)
    assert turns(service, "service") == ["turned bad", "well again"]


def test_what_the_document_has_an_admin_type_tells_of_a_test_and_of_a_stop_once(service: Service) -> None:
    for block in commands("monitoring.md", "Alerts of the host itself"):
        service.host.run(f"set -e\n{block}", user="deploy")
    service.host.wait_until_logged('"well again"', "-t tell-somebody")
    kept = service.host.run("journalctl -t tell-somebody --no-pager --output=cat").out
    told = [json.loads(line) for line in kept.splitlines()]
    assert [news["test"] for news in told] == [True, False, False]
    assert [change["change"] for news in told for change in news["changes"] if change["id"] == "service"] == [
        "turned bad",
        "well again",
    ]


def test_a_hook_is_not_run_as_root(service: Service, hook: None) -> None:
    service.host.run("chat-server doctor --test-alert")
    service.systemctl("stop")
    look(service)
    assert [user for user, _ in news(service)] == ["chat-server", "chat-server"]
    assert [told["test"] for _, told in news(service)] == [True, False]


def test_a_hook_that_fails_is_a_failed_unit_and_is_run_again(service: Service, hook: None) -> None:
    service.systemctl("stop")
    service.host.run(f"mv {HOOK} {HOOK}.away && systemctl start chat-server-doctor")
    assert service.host.run("systemctl start chat-server-alert", check=False).code != 0
    service.host.wait_until_logged(f"[alerts] command: {HOOK}: No such file or directory", "-u chat-server-alert")
    service.host.run(f"mv {HOOK}.away {HOOK}")
    look(service)
    assert turns(service, "service") == ["turned bad"]


def test_a_configuration_that_was_spoilt_is_told_to_whom_the_last_good_one_named(service: Service, hook: None) -> None:
    look(service)
    service.host.run(f"echo 'oops = 1' >>{CONFIG}")
    look(service)
    assert turns(service, "configuration") == ["turned bad"]


def test_mail_is_delivered_by_the_hosts_mail_program(service: Service) -> None:
    service.host.run("DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends dma")
    service.configure("alerts", "mail_to", '["root"]')
    service.systemctl("stop")
    look(service)
    remedy = "sudo systemctl start chat-server"
    service.host.run(f"timeout 20 sh -c 'until grep -q \"{remedy}\" /var/mail/root; do sleep 0.2; done'")
    letter = service.host.run("cat /var/mail/root").out
    assert f"Subject: chat-server on {service.host.name}: turned bad: service" in letter
    assert remedy in letter


def test_its_exposure_is_low(service: Service, report: Report) -> None:
    judged = service.host.run("systemd-analyze security --no-pager chat-server-doctor").out.strip().splitlines()[-1]
    report(f"{service.host.suite}: {judged.lstrip('→ ')}")
    assert float(judged.split(": ")[1].split()[0]) <= EXPOSURE_AT_MOST
