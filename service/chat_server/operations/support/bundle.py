"""Gathering the parts, without secrets, into one file that only who ran the command may read."""

from __future__ import annotations

import io
import os
import platform
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from chat_server import __version__
from chat_server.operations.dated import stamp
from chat_server.operations.doctor.site import Site
from chat_server.operations.errors import RefusedError
from chat_server.operations.support import configuration
from chat_server.operations.support.masking import scrubbed
from chat_server.operations.support.parts import REASONS, Part, parts

LONGEST_PART: Final = 16 * 2**20
"""In characters; of what is longer, the end is kept, for the newest stands there."""

README: Final = """\
What chat-server {version} on {host} gathered about itself, {at}, as user {user}.

It HOLDS user names, addresses of people's machines and of this host, and names of files: give it only to those who may
know them, and delete it when it has served. It holds no messages, no passwords or hashes of them, no tokens and no
secrets: message texts and hashes were not read, values that could be secret were replaced by ***, and all of it was
searched for the secrets that the configuration names and for what looks like one. Look through it before you send it:
what another program wrote into the journal in a form of its own can't be known.
"""


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that could not be had, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was written; `parts` are the files in it."""

    file: Path
    size_bytes: int
    parts: list[str]
    missing: list[Missing]


@dataclass
class _Gathered:
    texts: dict[str, str] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)


def gather(
    site: Site,
    *,
    file: Path | None,
    lines: int,
    environ: Mapping[str, str],
    progress: Callable[[float], None],
) -> Bundle:
    """Writes the bundle, to a dated name in the current directory where no file is given.

    What can't be had is missing from it, with the reason in its README.txt. Raises RefusedError where the file exists
    or can't be written.
    """
    name = f"chat-server-support-{stamp(site.now)}"
    file = file or Path(f"{name}.tar.gz")
    secrets = _secrets(site, environ)
    wanted = parts(site, environ, lines=lines, progress=progress)
    gathered = _Gathered()
    for part in wanted:
        _take(part, gathered)
    texts = {part: scrubbed(text, secrets) for part, text in gathered.texts.items()}
    missing = [Missing(each.name, scrubbed(each.reason, secrets)) for each in gathered.missing]
    texts["README.txt"] = _readme(site, [part for part in wanted if part.name in texts], missing)
    data = _packed(name, texts, site.now)
    _write(file, data)
    return Bundle(file, len(data), sorted(texts), missing)


def _secrets(site: Site, environ: Mapping[str, str]) -> set[str]:
    try:
        text = site.config_path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return configuration.secrets(text, environ)


def _take(part: Part, gathered: _Gathered) -> None:
    try:
        gathered.texts[part.name] = part.take()[-LONGEST_PART:]
    except REASONS as reason:
        gathered.missing.append(Missing(part.name, " ".join(str(reason).split())))
    except Exception as error:  # noqa: BLE001  a host in trouble has surprises, and the other parts matter more
        gathered.missing.append(Missing(part.name, f"{type(error).__name__}: {' '.join(str(error).split())}"))


def _readme(site: Site, there: Sequence[Part], missing: Sequence[Missing]) -> str:
    about = README.format(
        version=__version__,
        host=platform.node(),
        at=datetime.fromtimestamp(site.now / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        user=os.geteuid(),
    )
    within = [f"  {part.name:24} {part.about}" for part in there]
    without = [f"  {each.name:24} {each.reason}" for each in missing] or ["  nothing"]
    return "\n".join([about, "In it:", *within, "", "Not in it, for it could not be had:", *without, ""])


def _packed(name: str, texts: Mapping[str, str], now: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        top = tarfile.TarInfo(name)
        top.type, top.mode, top.mtime = tarfile.DIRTYPE, 0o700, now // 1000
        archive.addfile(top)
        for part, text in texts.items():
            data = text.encode(errors="backslashreplace")
            entry = tarfile.TarInfo(f"{name}/{part}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, now // 1000
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _write(file: Path, data: bytes) -> None:
    """To a file that was not there: nobody's link leads it elsewhere, and nobody has it open already."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RefusedError(f"{file.absolute()}: {error.strerror}: name another file with --output") from None
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123  it is a descriptor
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        file.unlink()
        raise RefusedError(f"{file.absolute()}: {error.strerror}: name another file with --output") from None
