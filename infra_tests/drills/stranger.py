"""A stranger: somebody with an address of their own, in a network namespace on the host, one cable away from it."""

from __future__ import annotations

import shlex
from pathlib import Path

from infra_tests.drills.drill import Drill
from infra_tests.drills.running import Running
from infra_tests.shell import Typed

ADDRESS = "192.0.2.2"
"""The stranger's. RFC 5737 keeps it for examples."""
HOST = "192.0.2.1"
"""How the stranger reaches the host."""

CABLE = f"""
ip netns add stranger
ip link add to-stranger type veth peer name eth0 netns stranger
ip address add {HOST}/24 dev to-stranger
ip link set to-stranger up
ip -n stranger address add {ADDRESS}/24 dev eth0
ip -n stranger link set eth0 up
ip -n stranger route add default via {HOST}
"""
ROOT = Path(__file__).parents[2]
FOLDER = "/var/tmp/drill-stranger"


class Stranger:
    """The host's firewall and limits treat the stranger like anybody, unlike the tests themselves."""

    def __init__(self, drill: Drill) -> None:
        self._drill = drill
        drill.afterwards(f"ip link delete to-stranger; ip netns delete stranger; rm -rf {FOLDER}")
        drill.root(f"set -e; {CABLE}")

    def types(self, command: str) -> Typed:
        """What comes of a command that the stranger types."""
        return self._drill.shell.types(self._as_stranger(command))

    def bring(self, *modules: str) -> None:
        """Puts modules of this checkout, which use nothing but Python itself, where the stranger finds them."""
        for module in modules:
            file = f"{module.replace('.', '/')}.py"
            text = (ROOT / file).read_text()
            self._drill.shell.root(f"install -D -m 644 /dev/stdin {FOLDER}/{file}", given=text)

    def start(self, command: str) -> Running:
        """Types a command that goes on; it is ended with the drill."""
        return self._drill.start(self._as_stranger(command))

    def _as_stranger(self, command: str) -> str:
        line = f"cd / && PYTHONPATH={FOLDER} {command}"
        inside = f"runuser -u nobody -- bash -c {shlex.quote(line)}"
        return f"sudo ip netns exec stranger {inside}"
