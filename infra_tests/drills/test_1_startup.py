"""Chapter 1, first half: the service does not start."""

from __future__ import annotations

import re

import pytest

from infra_tests.drills.drill import CONFIG, EXECUTABLE, Drill

TAKES_8080 = ("python3", "-m", "http.server", "8080")
DATA = "/var/lib/chat-server"
LIBRARY = "/opt/chat-server/lib/falcon"
AWAY = "/var/tmp/drill-away"


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


@pytest.mark.entry("1.2")
def test_a_database_of_roots_in_a_closed_directory_is_given_back_to_the_service(drill: Drill) -> None:
    listing = f"ls -la {DATA}/"
    with drill.provoked("the files are root's, and the directory has mode 000"):
        drill.root(f"systemctl stop chat-server; chown root:root {DATA}/*; chmod 000 {DATA}")
        drill.root("systemctl start chat-server || true")
        assert drill.shows("ActiveState") != "active"

    with drill.diagnosed():
        assert re.search(r"root +root +\d+ .* chat\.db\n", drill.guide_mended(listing, f"sudo {listing}").out)
        assert f"{DATA}/chat.db" in drill.logged("permission denied")
    drill.named_by_doctor("permissions", seen=f"{DATA}/chat.db belongs to root")

    with drill.cured():
        drill.guide("sudo chown -R chat-server:chat-server /var/lib/chat-server/")
        drill.guide("sudo chmod 700 /var/lib/chat-server/")
        drill.guide_mended(
            "sudo chmod 600 /var/lib/chat-server/*.db*",
            f"sudo find {DATA} -type f -exec chmod 600 {{}} +",
        )
        drill.ours("sudo systemctl reset-failed chat-server")
        drill.ours("sudo systemctl restart chat-server")
        drill.wait_until_healthy()
        assert drill.root(f"stat --format '%U %a' {DATA} {DATA}/chat.db") == "chat-server 700\nchat-server 600\n"


@pytest.mark.entry("1.4")
def test_a_library_of_the_packages_that_is_gone_is_installed_again(drill: Drill) -> None:
    with drill.provoked("a library below /opt/chat-server/lib is gone"):
        drill.root(f"rm -rf {LIBRARY}; systemctl restart chat-server || true")
        assert drill.shows("ActiveState") != "active"

    with drill.diagnosed():
        assert "chat-server" in drill.guide("/opt/chat-server/chat-server --version").out
        assert "not found" not in drill.guide("ldd /opt/chat-server/chat-server").out
        assert f"missing     {LIBRARY}" in drill.ours("dpkg --verify chat-server", code=None).out
        assert drill.logged("falcon")
    drill.named_by_doctor(seen="falcon")

    with drill.cured():
        drill.reinstall()


@pytest.mark.entry("1.4")
def test_a_library_of_debians_that_is_gone_is_named_by_the_loader_and_installed_again(drill: Drill) -> None:
    library = drill.root(f"ldd {EXECUTABLE} | sed -n 's/.* => \\(.*libpython[^ ]*\\) .*/\\1/p'").strip()
    package = drill.root(f"dpkg --search $(basename {library}) | cut -d: -f1").strip()
    with drill.provoked("Debian's libpython is gone"):
        drill.afterwards(f"[ -e {library} ] || mv {AWAY} {library}; rm -f {AWAY}")
        drill.root(f"mv $(realpath {library}) {AWAY}; systemctl restart chat-server || true")
        assert drill.shows("ActiveState") != "active"

    with drill.diagnosed():
        assert "libpython" in drill.guide("/opt/chat-server/chat-server --version", code=127).text
        assert "not found" in drill.guide("ldd /opt/chat-server/chat-server").out
        assert "libpython" in drill.logged("error while loading shared libraries")
    drill.does_not_apply("named by doctor", "doctor is part of the program that can't be loaded; the loader names it")

    with drill.cured():
        drill.ours(f"sudo apt-get install --reinstall --yes {package}")
        drill.ours("sudo systemctl reset-failed chat-server")
        drill.ours("sudo systemctl restart chat-server")
        drill.wait_until_healthy()
