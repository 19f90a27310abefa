"""Chapter 8: what is in the log, what support is sent, and a server in the foreground."""

from __future__ import annotations

import json
import time
import uuid

import pytest

from infra_tests.drills.disposable import wait_for
from infra_tests.drills.drill import EXECUTABLE, Drill
from tests.client import Person
from tests.device import online

FOLLOW = "sudo journalctl -u chat-server -f"
PACKAGE = "/opt/chat-server/lib/chat_server/__init__.py"
CONTENT = "Meet me at the old bridge"


def speakers(drill: Drill) -> tuple[Person, Person]:
    """The two who have talked before, when nothing else of theirs goes on."""
    ann, bob = (one.person for one in drill.talk.people)
    return ann, bob


@pytest.mark.entry("8.1")
def test_debug_shows_every_request_after_a_restart_and_trace_after_a_reload(drill: Drill) -> None:
    with drill.provoked("log_level debug, then trace"):
        drill.client.get("/health")
        assert "http: request" not in drill.journal()
        drill.configure("server", "log_level", '"debug"')
        drill.guide("sudo systemctl restart chat-server")
        drill.wait_until_healthy()

    with drill.diagnosed():
        following = drill.start(FOLLOW)
        drill.client.get("/health")
        following.wait_for("path=/health")
        drill.configure("server", "log_level", '"trace"')
        drill.reload()
        following.wait_for("configuration reloaded")
        with online(drill.host, speakers(drill)[0]) as device:
            device.sync()
            following.wait_for("frame received")
        following.press_ctrl_c()
    drill.named_by_doctor("log-level", status="warning", seen="log_level is trace")

    with drill.cured():
        drill.configure("server", "log_level", '"info"')
        drill.reload()
        wait_for("the reload", lambda: drill.journal().count("configuration reloaded") == 2)
        told = drill.journal().count("http: request")
        drill.client.get("/user/me")
        drill.root("journalctl --sync")
        assert drill.journal().count("http: request") == told


@pytest.mark.entry("8.2")
def test_what_support_needs_is_gathered_without_secrets(drill: Drill) -> None:
    today = time.strftime("%Y%m%d")
    with drill.provoked("something to report: a login that failed"):
        assert drill.client.log_in("nobody", "Wrong-Horse-7").status == 401
        drill.logged("failed login")

    with drill.diagnosed():
        drill.guide("sudo journalctl -u chat-server -n 1000 --no-pager > /tmp/chat-server-logs.txt")
        for command in ("uname -a", "free -h", "df -h"):
            drill.guide(f"{command} >> /tmp/chat-server-logs.txt")
        drill.guide("tar -czf chat-server-debug-$(date +%Y%m%d).tar.gz /tmp/chat-server-logs.txt")
        told = drill.ours(f"tar -xzOf chat-server-debug-{today}.tar.gz").out
        assert "failed login" in told
        assert "Linux" in told
        drill.afterwards(f"rm -f /tmp/chat-server-logs.txt /home/*/chat-server-debug-{today}.tar.gz")
    drill.named_by_doctor("journal", status="ok", seen="the journal is kept")

    ann, bob = speakers(drill)
    secret = drill.root("sed -n 's/^jwt_secret.*= \"\\(.*\\)\"/\\1/p' /opt/chat-server/config.toml").strip()
    if secret.startswith("/"):
        secret = drill.root(f"cat {secret}").strip()
    with drill.cured():
        drill.ours("sudo chat-server support-bundle --output /tmp/drill-bundle.tar.gz")
        drill.afterwards("rm -f /tmp/drill-bundle.tar.gz")
        bundle = drill.ours("sudo tar -xzOf /tmp/drill-bundle.tar.gz").out
        assert "failed login" in bundle
        assert "Linux" in bundle
        assert json.dumps(drill.doctor()["status"]) in bundle
        assert [word for word in (secret, ann.token, bob.token) if word in bundle] == []
        assert len(secret) >= 32


@pytest.mark.entry("8.3")
def test_the_server_runs_in_the_foreground_and_tells_everything(drill: Drill) -> None:
    with drill.provoked("the service is stopped, and started by hand in a terminal"):
        drill.guide("sudo systemctl stop chat-server")
        foreground = drill.start(
            "sudo -u chat-server /opt/chat-server/chat-server --config /opt/chat-server/config.toml --log-level trace"
        )
        foreground.wait_for("serving")
        drill.wait_until_healthy()

    with drill.diagnosed():
        ann, bob = (drill.client.sign_up(f"{name}_{uuid.uuid4().hex[:8]}") for name in ("ann", "bob"))
        with online(drill.host, ann) as device:
            device.say(bob, CONTENT)
            told = foreground.wait_for("message sent")
        assert "TRACE" in told
        assert CONTENT not in told
    drill.named_by_doctor("foreground", status="warning", seen="port 8080")

    with drill.cured():
        assert foreground.press_ctrl_c() == 0
        assert "stopped" in foreground.text
        drill.guide("sudo systemctl start chat-server")
        drill.wait_until_healthy()


@pytest.mark.entry("8.4")
def test_the_version_that_runs_and_the_one_that_is_installed_are_told(drill: Drill) -> None:
    with drill.provoked("a newer version on the disk than the one that runs"):
        drill.root(f"sed -i 's/^__version__ = .*/__version__ = \"99.0\"/' {PACKAGE}")

    with drill.diagnosed():
        assert "99.0" in drill.guide("/opt/chat-server/chat-server --version").out
        assert "Linux" in drill.guide("uname -a").out
        assert "99.0" not in drill.ours("curl -s http://localhost:8080/status").out
    drill.named_by_doctor("version", status="warning", seen="99.0 is installed")

    with drill.cured():
        drill.ours("sudo systemctl restart chat-server")
        drill.wait_until_healthy()
        assert '"version":"99.0"' in drill.ours("curl -s http://localhost:8080/status").out
        assert drill.logged("version=99.0")
    assert EXECUTABLE in drill.root(f"cat /proc/{drill.shows('MainPID')}/cmdline | tr '\\0' ' '")
