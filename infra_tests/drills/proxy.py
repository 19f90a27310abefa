"""The nginx before the service: how drills come in by it, and change it."""

from __future__ import annotations

import shlex
import ssl

from infra_tests.drills.disposable import wait_for
from infra_tests.drills.drill import Drill
from infra_tests.shell import Shell

NGINX = "/etc/nginx/nginx.conf"
"""Where the playbook configures it."""
SERVING = "ps -C nginx -o pid=,args= | sed -n 's/ nginx: worker process$//p'"


class Proxy:
    """Where a device comes in by the proxy (`tests.device.Reachable`)."""

    def __init__(self, shell: Shell) -> None:
        self.socket_url = f"wss://{shell.address}/socket"
        self.tls = ssl.create_default_context()
        """What is expected of its certificate: nothing, for the drills are about other things."""
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE


def upgrade(url: str, token: str, *, seconds: int = 20) -> str:
    """A command that opens a socket, and keeps it open, as curl does."""
    key = "$(openssl rand -base64 16)"
    headers = (
        f'-H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" -H "Sec-WebSocket-Key: {key}"'
    )
    asked = f'{headers} -H "Authorization: Bearer {token}" {url}/socket'
    return f"curl -sikN --output - --http1.1 --max-time {seconds} {asked}"


def edit(drill: Drill, expression: str) -> None:
    """Has sed change nginx's configuration, as an editor would; it must make a difference."""
    drill.root(
        f"cp {NGINX} /run/nginx.before; sed -i -E {shlex.quote(expression)} {NGINX}; ! cmp -s /run/nginx.before {NGINX}"
    )


def reload(drill: Drill) -> None:
    """Types the guide's commands, and returns when only those who know the new configuration take connections."""
    before = set(drill.root(SERVING).split())
    assert "test is successful" in drill.guide("sudo nginx -t").text
    drill.guide("sudo systemctl reload nginx")
    wait_for("nginx to take the new configuration", lambda: _are_new(before, set(drill.root(SERVING).split())))


def _are_new(before: set[str], now: set[str]) -> bool:
    return bool(now) and not now & before
