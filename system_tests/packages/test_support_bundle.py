"""`chat-server support-bundle` on a host: what the real journal and the real unit hold, without secrets."""

from __future__ import annotations

import pytest

from system_tests.packages.service import CONFIG, Service
from tests.device import online

CANARIES = {
    "a token in a URL": "GET /socket?token=canary-in-a-url-51",
    "a password": 'login password="Canary pass 52" failed',
    "a message": 'frame content="canary text 53" seq=1',
    "a header": "Authorization: Bearer canary-bearer-54",
}
"""What a program might write into the journal, and did not have to."""
SAID = "canary-said-to-bob-55"
DROP_IN = "/run/systemd/system/chat-server.service.d"
UNPACKED = "/root/unpacked"


@pytest.fixture(scope="module")
def bundled(service: Service) -> Service:
    """A bundle made by root is unpacked in /root; secrets were in the journal, the unit, configuration and database."""
    host = service.host
    ann, bob = service.client().sign_up("ann"), service.client().sign_up("bob")
    with online(service, ann) as device:
        device.say(bob, SAID)
    service.client().log_in("ann", "Wrong-canary-56")
    service.configure("alerts", "command", '["/bin/true", "--key=canary-argument-57"]')
    service.configure("alerts", "webhook_url", '"https://hooks.example.org/services/canary-webhook-59"')
    host.run(f"mkdir -p {DROP_IN} /root/canaries && cat >/root/canaries/log", input="\n".join(CANARIES.values()) + "\n")
    settings = "[Service]\nEnvironment=PAGER_KEY=canary-variable-58\nExecStartPre=+/bin/cat /root/canaries/log\n"
    host.run(f"cat >{DROP_IN}/test.conf && systemctl daemon-reload && systemctl restart chat-server", input=settings)
    host.run(f"cd /root && chat-server support-bundle --output bundle.tar.gz && mkdir {UNPACKED}")
    host.run(f"tar -C {UNPACKED} --strip-components=1 -xzf /root/bundle.tar.gz")
    return service


def test_the_canaries_are_where_a_careless_bundle_would_find_them(bundled: Service) -> None:
    journal = bundled.log(200)
    assert all(line in journal for line in CANARIES.values())
    assert bundled.host.run(f"grep -c {SAID} /var/lib/chat-server/chat.db* | grep -v ':0$'").out


def test_no_secret_is_in_it(bundled: Service) -> None:
    assert bundled.host.run(f"grep -r -i canary {UNPACKED}", check=False).out == ""
    secret = bundled.host.run(f"sed -n 's/^jwt_secret = \"\\(.*\\)\"/\\1/p' {CONFIG}").out.strip()
    assert len(secret) > 32
    assert bundled.host.run(f"grep -r -F -e '{secret}' {UNPACKED}", check=False).out == ""


def test_as_root_nothing_of_the_service_is_missing(bundled: Service) -> None:
    readme = bundled.host.run(f"cat {UNPACKED}/README.txt").out
    missing = {line.split()[0] for line in readme.partition("could not be had:")[2].splitlines() if line}
    assert missing <= {"network/nginx.conf", "network/firewall.txt"}


def test_it_has_what_the_guide_asks_for(bundled: Service) -> None:
    assert "failed login" in bundled.host.run(f"cat {UNPACKED}/logs/chat-server.log").out
    assert "NRestarts=" in bundled.host.run(f"cat {UNPACKED}/unit/show.txt").out
    assert "Mem:" in bundled.host.run(f"cat {UNPACKED}/host/memory.txt").out
    assert "/dev/shm" in bundled.host.run(f"cat {UNPACKED}/host/disks.txt").out


def test_it_is_roots_alone(bundled: Service) -> None:
    assert bundled.host.run("stat --format '%a %U' /root/bundle.tar.gz").out == "600 root\n"


def test_the_services_user_can_make_one_too(bundled: Service) -> None:
    host = bundled.host
    host.run(
        "runuser -u chat-server -- /opt/chat-server/chat-server support-bundle --output /var/lib/chat-server/b.tgz"
    )
    files = set(host.run("tar -tzf /var/lib/chat-server/b.tgz").out.split())
    assert {file.partition("/")[2] for file in files} >= {
        "doctor.json",
        "config.toml",
        "database.txt",
        "host/disks.txt",
    }
