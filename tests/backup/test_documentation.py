"""docs/backup.md: what it says of one host does what it says, in its order. Real hosts type all of it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from infra_tests.documents.reading import sections
from tests.backup.contents import messages
from tests.commands.admin import CHAT_SERVER
from tests.server import COMMAND, UNMEASURED, free_port, write_config

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "backup.md").read_text()
HERE = ("Make one", "Restore", "After a crash")
CRON = (ROOT / "packaging" / "debian" / "chat-server.cron.d").read_text()

# systemctl, for one service without systemd: it really stops the server, and starts it.
SYSTEMCTL = """#!/bin/sh
set -eu
test "$2" = chat-server
case $1 in
stop) kill "$(cat {home}/pid)"; while kill -0 "$(cat {home}/pid)" 2>/dev/null; do sleep 0.05; done ;;
start)
    {server} --config {config} 2>>{home}/log &
    echo $! >{home}/pid
    until {chat_server} --config {config} healthcheck >/dev/null; do sleep 0.05; done ;;
esac
"""
SYSTEMD_CAT = """#!/bin/sh
shift 2
exec "$@"
"""


def program(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


def test_its_commands_work_in_their_order(tmp_path: Path) -> None:
    home = Path(os.path.realpath(tmp_path))
    config = write_config(home, port=free_port())
    bin_ = home / "bin"
    bin_.mkdir()
    program(bin_ / "chat-server", f'#!/bin/sh\nexec {CHAT_SERVER} --config {config} "$@"\n')
    names = {"home": home, "config": config, "server": " ".join(COMMAND), "chat_server": CHAT_SERVER}
    program(bin_ / "systemctl", SYSTEMCTL.format(**names))
    program(bin_ / "systemd-cat", SYSTEMD_CAT)
    program(bin_ / "journalctl", "#!/bin/sh\n")
    program(bin_ / "sudo", '#!/bin/sh\nexec "$@"\n')
    (nightly,) = re.findall(r"^45 2 \* \* \* root (.*)$", CRON, re.MULTILINE)
    blocks = [block.typed for section in sections("backup.md") if section.heading in HERE for block in section.blocks]
    script = "\n".join(["systemctl start chat-server", nightly, *blocks, "systemctl stop chat-server"])
    script = script.replace("/opt/chat-server/", f"{bin_}/")
    script = script.replace("/var/backups/chat-server", str(home / "backups"))
    script = script.replace("/var/lib/chat-server", str(home))
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        env={**os.environ, **UNMEASURED, "PATH": f"{bin_}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("backup made: ") == 2
    assert done.stdout.count("restored: ") == 2
    assert re.search(r"^last backup +20", done.stdout, re.MULTILINE)
    assert messages(home / "chat.db") == []


def test_what_it_says_of_failures_is_what_the_commands_say() -> None:
    _, _, table = DOCUMENT.partition("## When it fails")
    phrases = [phrase.split(" (")[0] for phrase in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)]
    service = ROOT / "service" / "chat_server"
    said = "".join(file.read_text() for file in service.rglob("*.py"))
    assert phrases
    assert [phrase for phrase in phrases if phrase not in said] == []
