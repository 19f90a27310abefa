"""Chapter 2, first half: a WebSocket does not open."""

from __future__ import annotations

import json
import shlex
import time
import uuid

import pytest

from infra_tests.drills.disposable import wait_for
from infra_tests.drills.drill import CONFIG, Drill, as_the_guide
from infra_tests.drills.proxy import edit, reload, upgrade
from infra_tests.drills.stranger import HOST, Stranger
from tests.client import Person

ASK = 'TOKEN="your-jwt-token-here"\ncurl -H "Authorization: Bearer $TOKEN" http://localhost:8080/user/me'
UPGRADE = """curl -i -N -H "Connection: Upgrade" \\
     -H "Upgrade: websocket" \\
     -H "Sec-WebSocket-Version: 13" \\
     -H "Sec-WebSocket-Key: $(openssl rand -base64 16)" \\
     "http://localhost:8080/socket?token=$TOKEN\""""
SWITCHING = "HTTP/1.1 101 Switching Protocols"
DIRECTLY, BY_NGINX = "http://localhost:8080", "https://localhost"
MANY = 25
TIMED_OUT = 28
"""curl's exit code."""

LOCATION = "sudo nginx -T 2>/dev/null | grep -A15 'location = /socket'"
GUIDES_LOCATION = """\
location /socket {
    proxy_pass http://localhost:8080;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
"""
HOURLY = "/run/chat-server-doctor/report.json"
READ_ONLY = "/run/systemd/system/chat-server-doctor.service.d"
FORWARDED = "proxy_set_header X-Forwarded-For $remote_addr;"


@pytest.fixture
def alice(drill: Drill) -> Person:
    """Somebody who wants to get in."""
    return drill.client.sign_up(f"alice_{uuid.uuid4().hex[:8]}")


def signed_in(drill: Drill, person: Person) -> Person:
    """The same person, logged in anew."""
    token = drill.client.log_in(person.username).succeeded()["token"]
    return Person(person.user_id, person.username, token, drill.client.signed_in(token))


def asked(drill: Drill, token: str) -> str:
    """What the guide's request shows with a token."""
    return drill.guide(ASK, {"your-jwt-token-here": token}).out


@pytest.mark.entry("2.1")
def test_an_expired_token_is_refused_and_a_fresh_login_helps(drill: Drill, alice: Person) -> None:
    """After an hour, shortened here to 8 s."""
    drill.configure("auth", "token_expiry_seconds", "8")
    drill.restart()
    with drill.provoked("a token that has expired"):
        late = signed_in(drill, alice)
        over = time.monotonic() + 9
        assert alice.username in asked(drill, late.token)
        wait_for("the token's end", lambda: time.monotonic() > over)

    with drill.diagnosed():
        assert "UNAUTHORIZED" in (said := asked(drill, late.token))
        assert "expired" in said
    drill.named_by_doctor("tokens", status="ok", seen="1 expired")

    with drill.cured():
        assert alice.username in asked(drill, signed_in(drill, alice).token)


@pytest.mark.entry("2.1")
def test_tokens_of_another_secret_are_invalid_until_people_log_in_again(drill: Drill, alice: Person) -> None:
    with drill.provoked("a token that is invalid, for the secret was changed"):
        assert alice.username in asked(drill, alice.token)
        drill.root(f"sed -i '/^jwt_secret/d' {CONFIG}")
        drill.configure("auth", "jwt_secret", f'"{uuid.uuid4().hex}{uuid.uuid4().hex}"')
        drill.restart()
        assert {alice.client.get("/user/me").status for _ in range(MANY)} == {401}

    with drill.diagnosed():
        assert "UNAUTHORIZED" in asked(drill, alice.token)
    drill.named_by_doctor("tokens", status="warning", seen=f"{MANY + 1} invalid")

    with drill.cured():
        assert alice.username in asked(drill, signed_in(drill, alice).token)


@pytest.mark.entry("2.2")
def test_an_upgrade_that_is_refused_says_why_and_a_good_one_opens(drill: Drill, alice: Person) -> None:
    bad = {
        "a token that is none": ({"$TOKEN": "not.a.token"}, " 401 ", "UNAUTHORIZED"),
        "no Upgrade header": ({'-H "Upgrade: websocket" \\\n     ': "", "$TOKEN": alice.token}, " 426 ", "Upgrade"),
        "a key that is none": ({"$(openssl rand -base64 16)": "short", "$TOKEN": alice.token}, " 400 ", "Key"),
        "an old version": ({"Version: 13": "Version: 8", "$TOKEN": alice.token}, " 426 ", "Version"),
    }
    with drill.provoked("upgrades that lack something"), drill.diagnosed():
        for what, (replaced, status, words) in bad.items():
            said = drill.guide(UPGRADE, replaced).out
            assert status in said.partition("\n")[0], (what, said)
            assert words in said, (what, said)
    drill.named_by_doctor("upgrade", status="ok", seen="asks for a token, as it should")

    with drill.cured():
        guest = signed_in(drill, alice)
        opened = drill.guide_starts(UPGRADE, {"$TOKEN": guest.token})
        shown = opened.wait_for('"ready"')
        assert SWITCHING in shown
        assert "Upgrade: websocket" in shown
        guest.client.post("/auth/logout").succeeded()


@pytest.mark.entry("2.2")
def test_another_program_in_the_servers_place_is_told_by_its_answer(drill: Drill, alice: Person) -> None:
    with drill.provoked("another program answers on 8080"):
        drill.root("systemctl stop chat-server")
        drill.occupy("port", "python3", "-m", "http.server", "8080")
        drill.wait_until_listening(8080)

    with drill.diagnosed():
        assert " 404 " in drill.guide(UPGRADE, {"$TOKEN": alice.token}).out
        assert "python3" in drill.ours("sudo ss -ltnp 'sport = :8080'").out
    drill.named_by_doctor("upgrade", seen="answers 404 Not Found to an upgrade")

    with drill.cured():
        drill.ours("sudo systemctl stop drill-port.service")
        drill.ours("sudo systemctl start chat-server")
        drill.wait_until_healthy()
        drill.start(upgrade(DIRECTLY, alice.token)).wait_for(SWITCHING)


@pytest.mark.entry("2.3")
@pytest.mark.parametrize(
    ("what", "rules", "undoes"),
    [
        pytest.param("ufw deny", ("deny 8080/tcp", "deny 80/tcp", "deny 443/tcp"), True, id="instead"),
        pytest.param("a deny that stands before the rules that allow", ("insert 1 deny 443",), False, id="before"),
    ],
)
def test_a_firewall_that_denies_is_opened_again(
    drill: Drill, alice: Person, what: str, rules: tuple[str, ...], undoes: bool
) -> None:
    stranger = Stranger(drill)
    opens = upgrade(f"https://{HOST}", alice.token)
    with drill.provoked(what):
        stranger.start(opens).wait_for(SWITCHING)
        drill.root("; ".join(f"ufw {rule}" for rule in rules))
        assert stranger.types(f"{opens} --connect-timeout 1").code == TIMED_OUT

    with drill.diagnosed():
        assert "DENY" in drill.guide("sudo ufw status").out
        assert "DENY IN" in drill.ours("sudo ufw status numbered").out
    drill.named_by_doctor("firewall", seen="port 443: rule 443")
    assert found_hourly(drill, "firewall") == "failure"

    with drill.cured():
        for rule in ("8080/tcp", "80/tcp", "443/tcp"):
            drill.guide(f"sudo ufw allow {rule}")
        if not undoes:
            assert stranger.types(f"{opens} --connect-timeout 1").code == TIMED_OUT
            drill.ours("sudo ufw delete deny 443")
        stranger.start(opens).wait_for(SWITCHING)
        assert stranger.types(f"curl -s http://{HOST}:8080/health").code == 0


def found_hourly(drill: Drill, check: str) -> str:
    """What the timer's run makes of a check, on a host that was just started.

    In some containers systemd leaves /run writable to a unit for which all is read-only; it is made so here.
    """
    drill.afterwards(f"rm -rf {READ_ONLY}; systemctl daemon-reload")
    drill.root(f"mkdir -p {READ_ONLY}; printf '[Service]\\nReadOnlyPaths=/run\\n' >{READ_ONLY}/drill.conf")
    drill.root(f"rm -f /run/ufw.lock; systemctl daemon-reload; systemctl start chat-server-doctor; test -s {HOURLY}")
    checks = json.loads(drill.root(f"cat {HOURLY}"))["checks"]
    return next(str(one["status"]) for one in checks if one["id"] == check)


def through_the_proxy(drill: Drill) -> str:
    """How an upgrade without a token is answered: 401 by the server, 426 where it came as no upgrade."""
    said = drill.ours(upgrade(BY_NGINX, "none")).out
    return said.split()[1]


@pytest.mark.entry("2.4")
def test_a_proxy_that_drops_the_upgrade_is_told_to_pass_it_on(drill: Drill, alice: Person) -> None:
    opens = upgrade(BY_NGINX, alice.token)
    with drill.provoked("nginx without the Upgrade headers"):
        assert through_the_proxy(drill) == "401"
        edit(drill, "/location = .socket/,/}/{/Upgrade|Connection/d}")
        reload(drill)
        assert through_the_proxy(drill) == "426"

    with drill.diagnosed():
        drill.start(upgrade(DIRECTLY, alice.token)).wait_for(SWITCHING)
        assert "$http_upgrade" not in drill.ours(LOCATION).out
    named = drill.named_by_doctor("proxy-upgrade", seen="the proxy drops the headers that ask for it")
    assert "$http_upgrade" in named["seen"]

    with drill.cured():
        lines = [line.strip() for line in named["remedy"].splitlines() if line.startswith(" ")]
        edit(drill, "/location = .socket/a " + "\\n".join(lines))
        reload(drill)
        drill.start(opens).wait_for(SWITCHING)


@pytest.mark.entry("2.4")
def test_the_guides_block_opens_sockets_and_does_not_say_whose(drill: Drill, alice: Person) -> None:
    """Who copies it has everybody share one address, and with it the limits of one."""
    opens = upgrade(BY_NGINX, alice.token)
    with drill.provoked("nginx that does not say who the client is, as the guide has it"):
        block = "/etc/nginx/guides-location.conf"
        drill.root(f"echo {shlex.quote(as_the_guide(GUIDES_LOCATION) + '}')} >{block}")
        edit(drill, f"/location = .socket/,/}}/d; /location ~ /i include {block};")
        reload(drill)
        drill.start(opens).wait_for(SWITCHING)

    with drill.diagnosed():
        assert FORWARDED not in drill.ours("sudo nginx -T 2>/dev/null | grep -A15 'location /socket'").out
    drill.named_by_doctor("trusted-proxies", seen="nginx does not say for whom it asks at /socket")

    with drill.cured():
        drill.root(f"sed -i '/proxy_pass/a {FORWARDED}' {block}")
        reload(drill)
        drill.start(opens).wait_for(SWITCHING)
        assert [check["status"] for check in drill.doctor()["checks"] if check["id"] == "trusted-proxies"] == ["ok"]
