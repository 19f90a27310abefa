"""`restore.yml`: the database is gone or spoilt under a running server, and all that the backup held is there again."""

from __future__ import annotations

import json
from pathlib import Path

from infra_tests.drills.disposable import EXECUTABLE, Disposable, overwrite
from infra_tests.playbooks.conftest import Talking
from infra_tests.provisioning import play
from infra_tests.shell import Shell

DATABASE = "/var/lib/chat-server/chat.db"
LATEST = "/var/backups/chat-server/latest.db"


def test_what_the_backup_held_is_there_again(host: Disposable, shell: Shell, inventory: Path, talking: Talking) -> None:
    with talking() as talk:
        pass  # at the end of the block both have all
    backup = json.loads(shell.root(f"{EXECUTABLE} backup --json"))
    shell.root(f"rm {DATABASE}")  # under the running server, which a crash then ends
    shell.root("pkill --signal KILL --exact chat-server")
    host.wait_until_healthy()  # with a new database, in which nobody is
    assert talk.people[0].person.client.get("/user/me").status == 401

    played = play("restore.yml", inventory, extra={"chat_server_restore_file": LATEST})

    assert played.code == 0, played.text
    assert f"{backup['contents']['rows']['messages']} messages" in played.text
    host.wait_until_healthy()
    talk.check()


def test_a_backup_that_is_damaged_is_refused_and_the_server_goes_on(
    host: Disposable, shell: Shell, inventory: Path, talking: Talking
) -> None:
    with talking() as talk:
        pass
    damaged = "/var/tmp/damaged.db"
    shell.root(f"cp {LATEST} {damaged}; {overwrite(damaged, page=2, pages=4)}")

    played = play("restore.yml", inventory, extra={"chat_server_restore_file": damaged})

    assert played.code != 0
    assert "the database is as it was" in " ".join(played.text.split())
    host.wait_until_healthy()
    talk.check()
