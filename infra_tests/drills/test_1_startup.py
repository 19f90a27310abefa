"""Chapter 1, first half: the service does not start."""

from __future__ import annotations

import pytest

from infra_tests.drills.drill import CONFIG, Drill

TAKES_8080 = ("python3", "-m", "http.server", "8080")


@pytest.mark.entry("1.1")
def test_a_port_that_another_process_has_taken_is_freed(drill: Drill) -> None:
    with drill.provoked("another process listens on 8080"):
        drill.root("systemctl stop chat-server")
        pid = drill.occupy("port", *TAKES_8080)
        drill.wait_until_listening(8080)
        drill.root("systemctl start chat-server || true")
        assert drill.shows("ActiveState") != "active"

    with drill.diagnosed():
        assert str(pid) in drill.guide("sudo lsof -i :8080").out
        assert f"{pid}/python3" in drill.guide("sudo netstat -tulpn | grep 8080").out
        assert "8080" in drill.logged("another process listens there")
    drill.named_by_doctor(seen="8080")

    with drill.cured():
        drill.guide("sudo kill -9 <PID>", {"<PID>": str(pid)})
        drill.wait_until_healthy()  # systemd tries again by itself


@pytest.mark.entry("1.1")
def test_the_service_moves_to_another_port_instead(drill: Drill) -> None:
    with drill.provoked("another process listens on 8080"):
        drill.root("systemctl stop chat-server")
        drill.occupy("port", *TAKES_8080)
        drill.wait_until_listening(8080)

    with drill.cured():
        drill.configure("server", "port", "8081")
        drill.guide("sudo systemctl restart chat-server")
        assert "healthy" in drill.ours("curl -s http://localhost:8081/health").out


@pytest.mark.entry("1.3")
@pytest.mark.parametrize(
    ("what", "broken", "words"),
    [
        pytest.param("TOML that is broken off", "echo '[server' >>{config}", "line", id="toml"),
        pytest.param("a key that does not exist", "echo 'prot = 8081' >>{config}", "prot", id="key"),
        pytest.param("no secret", "sed -i '/^jwt_secret/d' {config}", "jwt_secret", id="secret"),
    ],
)
def test_a_wrong_configuration_is_named_and_nothing_else_is_tried(
    drill: Drill, what: str, broken: str, words: str
) -> None:
    with drill.provoked(what):
        drill.root(broken.format(config=CONFIG))
        drill.root("systemctl restart chat-server || true")
        assert drill.shows("ActiveState") == "failed"
        assert drill.shows("NRestarts") == "0"

    with drill.diagnosed():
        drill.guide_mended("cat /opt/chat-server/config.toml", "sudo cat /opt/chat-server/config.toml")
        drill.guide_mended(
            "grep jwt_secret /opt/chat-server/config.toml",
            "sudo grep jwt_secret /opt/chat-server/config.toml",
            code=None,
        )
        assert words in drill.logged(CONFIG)
    drill.named_by_doctor(seen=words)

    with drill.cured():
        secret = drill.guide("openssl rand -base64 32").out.strip()
        drill.root(f"cp --archive /var/lib/drill-kept{CONFIG} {CONFIG}")
        drill.root(f"sed -i '/^jwt_secret/d' {CONFIG}")  # where it was in a file of its own
        drill.configure("auth", "jwt_secret", f'"{secret}"')
        drill.restart()
