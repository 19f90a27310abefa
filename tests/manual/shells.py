"""Shells that somebody types into: what they offer when Tab is pressed."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PATIENCE_SECONDS = 20

# On Alt-* both shells put all that they would offer into the line. Enter runs it, and what runs shows it.
OFFER_AND_SHOW = b"\x1b*\r"

BASH = """\
source {manual}/chat-server.bash
chat-server() {{ echo "<chat-server $*>"; }}
bind 'set enable-bracketed-paste off'
bind '"\\e*": insert-completions'
PS1='ready> '
"""

ZSH = """\
fpath=({manual} $fpath)
autoload -U compinit
compinit -D -u
chat-server() {{ print "<chat-server $*>" }}
zle -C offer-all complete-word _generic
zstyle ':completion:offer-all:*' completer _all_matches _complete
zstyle ':completion:offer-all:*' insert yes
bindkey '\\e*' offer-all
unsetopt zle_bracketed_paste prompt_cr prompt_sp
PS1='ready> '
"""

FISH = "source $argv[1]; complete --do-complete $argv[2]"


class Shell(Protocol):
    def offers(self, typed: str) -> set[str]:
        """The words that it offers at the end of what was typed."""


@contextmanager
def bash(manual: Path, home: Path) -> Iterator[Shell]:
    (home / "bashrc").write_text(BASH.format(manual=manual))
    with _at_terminal(["bash", "--noprofile", "--rcfile", str(home / "bashrc"), "-i"], {}, home) as shell:
        yield shell


@contextmanager
def zsh(manual: Path, home: Path) -> Iterator[Shell]:
    (home / ".zshrc").write_text(ZSH.format(manual=manual))
    with _at_terminal(["zsh", "-d", "-i"], {"ZDOTDIR": str(home)}, home) as shell:
        yield shell


@contextmanager
def fish(manual: Path, home: Path) -> Iterator[Shell]:
    yield _Fish(manual / "chat-server.fish", home)


@contextmanager
def _at_terminal(command: list[str], environ: Mapping[str, str], home: Path) -> Iterator[Shell]:
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(home)
        os.execvpe(command[0], command, {**os.environ, "TERM": "dumb", "HOME": str(home), "HISTFILE": "", **environ})
    try:
        shell = _Interactive(terminal)
        shell.read_until(r"ready> ")
        yield shell
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


@dataclass(frozen=True)
class _Interactive:
    terminal: int

    def offers(self, typed: str) -> set[str]:
        os.write(self.terminal, typed.encode() + OFFER_AND_SHOW)
        line = self.read_until(r"(?s)<([^<>]*)>.*ready> ")
        return _ends(line[typed.rfind(" ") + 1 :].split(), typed)

    def read_until(self, pattern: str) -> str:
        """The pattern's last group, in what the terminal shows from now on."""
        shown = ""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (match := re.search(pattern, shown)):
            readable, _, _ = select.select([self.terminal], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, f"the shell shows {shown!r}"
            shown += os.read(self.terminal, 4096).decode()
        return match[match.re.groups]


@dataclass(frozen=True)
class _Fish:
    """It says what it would offer without a terminal, too."""

    completion: Path
    home: Path

    def offers(self, typed: str) -> set[str]:
        done = subprocess.run(
            ["fish", "--no-config", "-c", FISH, self.completion, typed],
            cwd=self.home,
            env={**os.environ, "HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        assert done.stderr == ""
        return _ends([line.split("\t")[0] for line in done.stdout.splitlines()], typed)


def _ends(words: list[str], typed: str) -> set[str]:
    """The words, without an option before an equals sign, which some shells repeat, or one behind."""
    repeated = typed[typed.rfind(" ") + 1 : typed.rfind("=") + 1]
    return {word.removeprefix(repeated).rstrip("=") for word in words}
