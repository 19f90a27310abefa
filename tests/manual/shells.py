"""Shells that somebody types into: what they offer when Tab is pressed."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

PATIENCE_SECONDS = 20

# Both shells put all that they would offer into the line when Alt-* is pressed, and show the line on Ctrl-G.
OFFER_AND_SHOW = b"\x1b*\x07"

BASH = """\
source {manual}/chat-server.bash
bind 'set enable-bracketed-paste off'
bind '"\\e*": insert-completions'
bind -x '"\\C-g": printf "<%s>" "$READLINE_LINE"'
PS1='ready> '
"""

ZSH = """\
fpath=({manual} $fpath)
autoload -U compinit
compinit -D -u
zle -C offer-all complete-word _generic
zstyle ':completion:offer-all:*' completer _all_matches _complete
zstyle ':completion:offer-all:*' insert yes
bindkey '\\e*' offer-all
show-line() {{ print -rn "<$BUFFER>" }}
zle -N show-line
bindkey '^G' show-line
unsetopt zle_bracketed_paste prompt_cr prompt_sp
PS1='ready> '
"""

FISH = "source $argv[1]; complete --do-complete $argv[2]"


def bash_offers(typed: str, *, manual: Path, home: Path) -> set[str]:
    """The words that an interactive bash offers at the end of what was typed."""
    (home / "bashrc").write_text(BASH.format(manual=manual))
    return _offered(["bash", "--noprofile", "--rcfile", str(home / "bashrc"), "-i"], {}, typed, home)


def zsh_offers(typed: str, *, manual: Path, home: Path) -> set[str]:
    """The words that an interactive zsh offers at the end of what was typed."""
    (home / ".zshrc").write_text(ZSH.format(manual=manual))
    return _offered(["zsh", "-d", "-i"], {"ZDOTDIR": str(home)}, typed, home)


def fish_offers(typed: str, *, manual: Path, home: Path) -> set[str]:
    """The words that fish offers at the end of what was typed."""
    done = subprocess.run(
        ["fish", "--no-config", "-c", FISH, manual / "chat-server.fish", typed],
        cwd=home,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert done.stderr == ""
    # It repeats what stands before an equals sign.
    repeated = typed[typed.rfind(" ") + 1 : typed.rfind("=") + 1]
    return {line.split("\t")[0].removeprefix(repeated) for line in done.stdout.splitlines()}


def _offered(shell: list[str], environ: Mapping[str, str], typed: str, home: Path) -> set[str]:
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(home)
        os.execvpe(shell[0], shell, {**os.environ, "TERM": "dumb", "HOME": str(home), "HISTFILE": "", **environ})
    try:
        _read_until(terminal, r"ready> ")
        os.write(terminal, typed.encode() + OFFER_AND_SHOW)
        line = _read_until(terminal, r"<([^<>]*)>")
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)
    word_begins = max(typed.rfind(" "), typed.rfind("=")) + 1
    return {word.rstrip("=") for word in line[word_begins:].split()}


def _read_until(terminal: int, pattern: str) -> str:
    """The pattern's group in what the terminal shows, without what moves the cursor."""
    shown = ""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (match := re.search(pattern, shown)):
        readable, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert readable, f"the shell shows {shown!r}"
        shown += os.read(terminal, 4096).decode()
    return match[match.re.groups]
