"""A drill: what is provoked on the host, what an admin types, what doctor says, and that nothing is lost by it."""

from __future__ import annotations

import json
import shlex
import threading
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from infra_tests.drills.disposable import CONFIG, EXECUTABLE, UNIT, Disposable, wait_for
from infra_tests.drills.record import Record
from infra_tests.drills.running import Running
from infra_tests.shell import SECONDS, Typed
from system_tests.packages.conversation import Conversation
from tests.client import Client

__all__ = ["CONFIG", "EXECUTABLE", "UNIT", "Drill", "as_the_guide"]

GUIDE = Path(__file__).parents[3] / "shared" / "guide" / "troubleshooting-guide.md"
"""The guide itself, which is no part of this project, and lies beside it where it is worked on."""
PACKAGES = "/var/cache/chat-server"
"""Where the playbook leaves the packages that it installs from a file."""
FIRST_MESSAGES = 10
LIVE_PAUSE_SECONDS = 0.2


class Drill:
    """Given to each drill as `drill`. README.md shows how it is used."""

    def __init__(self, host: Disposable, record: Record, names: tuple[str, str]) -> None:
        """Two people of these names have had messages acknowledged before the drill begins."""
        self.host = host
        self.shell = host.shell
        self.record = record
        self.talk = Conversation(host.client(), *names, window=2, pause_seconds=LIVE_PAUSE_SECONDS)
        self.talk.exchange(FIRST_MESSAGES)
        self._pid_before = host.shows("MainPID")
        # By the clock: a cursor does not tell what comes after it where the journal has several files.
        self._began = self.root("date +@%s.%6N").strip()
        self._cleanup = ExitStack()
        self._thread: threading.Thread | None = None

    # What is shown.

    @contextmanager
    def provoked(self, what: str) -> Iterator[None]:
        """The block breaks the host, and asserts that it is broken; `what` goes into the matrix."""
        with self.record.showing("provoked"):
            yield
        self.record.provoked.append(what)

    def diagnosed(self) -> AbstractContextManager[None]:
        """The block types the guide's diagnosis, and asserts that it shows the fault."""
        return self.record.showing("diagnosed")

    def cured(self) -> AbstractContextManager[None]:
        """The block types the guide's remedy, or our document's, and asserts that the service is well again."""
        return self.record.showing("cured")

    def named_by_doctor(self, check: str = "", *, status: str = "failure", seen: str = "") -> dict[str, Any]:
        """`doctor` has a check with one of the drill's entries, this status, and these words in what it saw; gives it.

        `check`: its id, where the entry alone does not tell.
        """
        with self.record.showing("named by doctor"):
            checks = self.doctor()["checks"]
            for each in checks:
                about = set(each["entries"]) & set(self.record.entries) and check in {"", each["id"]}
                if about and each["status"] == status and seen.lower() in each["seen"].lower():
                    named: dict[str, Any] = each
                    return named
            wrong = [each for each in checks if each["status"] != "ok" or check == each["id"]]
            raise AssertionError(
                f"no {status} about {self.record.entries} with {seen!r} in {json.dumps(wrong, indent=1)}"
            )

    def does_not_apply(self, column: str, reason: str) -> None:
        """`does_not_apply("cured", "the router is not on the host")`: that cell has the reason instead."""
        self.record.does_not_apply(column, reason)

    def doctor(self) -> dict[str, Any]:
        """What `chat-server doctor --json` says, as root."""
        typed = self.shell.types(f"sudo {EXECUTABLE} doctor --json")
        assert typed.code in {0, 2}, typed.text
        said: dict[str, Any] = json.loads(typed.out)
        return said

    # What is typed, by the user who logged in.

    def guide(
        self,
        command: str,
        replace: Mapping[str, str] | None = None,
        *,
        code: int | None = 0,
        seconds: float = SECONDS,
        terminal: bool = False,
    ) -> Typed:
        """Types a command as the guide has it, to the letter: that is checked where the guide is at hand.

        `replace` has what stands for its placeholders. `code` is the exit code it must have; None: any.
        """
        command = as_the_guide(command, replace)
        typed = self.shell.types(command, seconds=seconds, terminal=terminal)
        assert code in {None, typed.code}, f"{command!r} ended with {typed.code}: {typed.text}"
        return typed

    def guide_mended(
        self, written: str, ours: str, replace: Mapping[str, str] | None = None, *, code: int | None = 0
    ) -> Typed:
        """Types what the guide has written, which must fail, and then what docs/troubleshooting.md has instead."""
        failed = self.guide(written, replace, code=None)
        assert failed.code, f"it works as the guide has it: {written!r}: {failed.text}"
        return self.ours(ours, code=code)

    def ours(self, command: str, *, code: int | None = 0, seconds: float = SECONDS) -> Typed:
        """Types a command of docs/troubleshooting.md. `code` as in `guide`."""
        typed = self.shell.types(command, seconds=seconds)
        assert code in {None, typed.code}, f"{command!r} ended with {typed.code}: {typed.text}"
        return typed

    def reinstall(self) -> None:
        """Types what docs/troubleshooting.md has where a file of the package is gone, from the playbook's copy."""
        deb = self.root(f"ls --sort=time {PACKAGES}/*.deb").split()[0]
        self.ours(f"sudo apt-get install --reinstall --yes {deb}")
        self.ours("sudo systemctl reset-failed chat-server")
        self.ours("sudo systemctl restart chat-server")
        self.wait_until_healthy()

    def guide_starts(self, command: str, replace: Mapping[str, str] | None = None) -> Running:
        """Types a command of the guide that goes on, without a terminal, which curl would not send bytes to.

        At the end of the drill nobody listens to it any more; it is ended by what it writes next.
        """
        return self._running(self.shell.command(as_the_guide(command, replace)), terminal=False)

    def start(self, command: str) -> Running:
        """Types a command that goes on, in a terminal; it is ended with the drill."""
        return self._running(self.shell.command(command, terminal=True), terminal=True)

    def _running(self, line: Sequence[str], *, terminal: bool) -> Running:
        running = Running(line, terminal=terminal)
        self._cleanup.callback(running.end)
        return running

    # What is done to the host, as root.

    def root(self, line: str, *, seconds: float = SECONDS) -> str:
        """Runs a line as root; gives its standard output. Raises AssertionError where it fails."""
        return self.shell.root(line, seconds=seconds)

    def occupy(self, name: str, *command: str) -> int:
        """Starts a process of root's on the host, which is ended with the drill; gives its id."""
        self.root(f"systemd-run --quiet --unit=drill-{name} -- {shlex.join(command)}")
        return int(self.root(f"systemctl show --value --property MainPID drill-{name}"))

    def afterwards(self, line: str) -> None:
        """Root runs the line when the drill is over, passed or not; the last one first."""
        self._cleanup.callback(self.root, line)

    def configure(self, section: str, key: str, value: str) -> None:
        """Sets a key as an admin's editor would; `value` is TOML. The service is told by `restart` or `reload`."""
        self.host.configure(section, key, value)

    def restart(self) -> None:
        """Restarts the service, and waits until it answers on its usual port that all is well."""
        self.root(f"systemctl restart {UNIT}")
        self.host.wait_until_healthy()

    def reload(self) -> None:
        """Has the service read its configuration again."""
        self.root(f"systemctl reload {UNIT}")

    # What is seen.

    @property
    def client(self) -> Client:
        """A REST client that comes over the network."""
        return self.host.client()

    @property
    def public_url(self) -> str:
        """Where people come in, as the configuration has it."""
        return str(tomllib.loads(self.root(f"cat {CONFIG}"))["server"]["public_url"])

    def shows(self, name: str) -> str:
        """What systemd says of the unit: `shows("ActiveState")`, `shows("NRestarts")`."""
        return self.host.shows(name)

    def wait_until_healthy(self) -> None:
        """Returns when the service answers on the host that all is well."""
        self.host.wait_until_healthy()

    def wait_until_listening(self, port: int) -> None:
        """Returns when some process of the host accepts connections on the port."""
        wait_for(f"port {port}", lambda: f":{port} " in self.root("ss --no-header --listening --tcp --numeric"))

    def journal(self) -> str:
        """The service's journal since the drill began."""
        self.root("journalctl --sync")
        return self.root(f"journalctl --quiet --unit={UNIT} --output=cat --since={self._began}")

    def logged(self, phrase: str, *, seconds: float = 10) -> str:
        """Waits until the service's journal has the phrase, in upper or lower case; gives the first line with it."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [line for line in self.journal().splitlines() if phrase.lower() in line.lower()]
            return bool(found)

        wait_for(f"{phrase!r} in the journal", look, seconds=seconds)
        return found[0]

    # Those who talk meanwhile.

    @contextmanager
    def talking(self) -> Iterator[Conversation]:
        """The two go on writing to each other for the length of the block, and come back after every interruption."""
        self._thread = threading.Thread(target=self.talk.go_on)
        self._thread.start()
        try:
            before = self.talk.acknowledged
            wait_for("talking", lambda: bool(self.talk.failure) or self.talk.acknowledged > before)
            yield self.talk
        finally:
            self.talk.finish()  # what is under way may have to wait until the host is as it was
        if self.talk.failure:
            raise self.talk.failure

    # The end.

    def close(self) -> None:
        """Makes the host as it was, and checks that every acknowledged message is there once, and in order."""
        try:
            self._cleanup.close()
        finally:
            self.host.restore(self._pid_before)
            if self._thread:
                self._thread.join()
        with self.record.showing("nothing lost"):
            if self.talk.failure:
                raise self.talk.failure
            self.talk.exchange(2)
            self.talk.check()


def as_the_guide(command: str, replace: Mapping[str, str] | None = None) -> str:
    """What the guide has to the letter, which is checked where it is at hand, with its placeholders replaced."""
    assert not GUIDE.exists() or command in GUIDE.read_text(), f"the guide has no {command!r}"
    for placeholder, value in (replace or {}).items():
        assert placeholder in command, f"no {placeholder} in {command}"
        command = command.replace(placeholder, value)
    return command
