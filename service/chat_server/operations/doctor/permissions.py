"""Chapter 1, "It does not start": whether the server may open its files, and nobody else."""

from __future__ import annotations

import grp
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chat_server.operations.doctor import commands
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import UNIT, Site

FILE, DIRECTORY = 0o600, 0o700
BESIDE = ("", "-wal", "-shm", ".lock")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file, and the command that mends it. `blocks` what keeps the server from working."""

    seen: str
    remedy: str
    blocks: bool


def permissions(site: Site) -> Finding:
    """Owner and mode of the database, the backups and the configuration."""
    try:
        user = pwd.getpwnam(commands.service_user(site))
    except KeyError:
        raise CannotLookError(f"there is no user {commands.service_user(site)} here") from None
    faults: list[Fault] = []
    try:
        for fault in _faults(site, user):
            faults.append(fault)  # noqa: PERF402  what was found before counts
    except PermissionError as error:
        if not faults:  # else that is why
            raise CannotLookError(f"{error.filename}: {error.strerror}: run this as root") from None
    if not faults:
        return Finding("ok", f"database, backups and configuration are {user.pw_name}'s alone")
    return Finding(
        "failure" if any(fault.blocks for fault in faults) else "warning",
        "; ".join(fault.seen for fault in faults),
        "\n".join(dict.fromkeys(fault.remedy for fault in faults)),
    )


def _faults(site: Site, user: pwd.struct_passwd) -> Iterator[Fault]:
    yield from _private(site.database.parent, user, DIRECTORY)
    yield from _writable_for_unit(site)
    for suffix in BESIDE:
        yield from _private(Path(f"{site.database}{suffix}"), user, FILE)
    yield from _private(Path(site.config.backup.directory), user, DIRECTORY)
    yield from _readable(site.config_path, user)
    if site.config.auth.jwt_secret_file:
        yield from _readable(Path(site.config.auth.jwt_secret_file), user)


def _private(path: Path, user: pwd.struct_passwd, mode: int) -> Iterator[Fault]:
    """Faults of what is to belong to the service, and to be open to it alone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        if mode == DIRECTORY:
            make = f"sudo install -d -o {user.pw_name} -g {_group(user)} -m {mode:o} {path}"
            yield Fault(f"there is no directory {path}", make, blocks=True)
        return
    have = stat.S_IMODE(status.st_mode)
    if status.st_uid != user.pw_uid:
        change = f"sudo chown {user.pw_name}:{_group(user)} {path}"
        yield Fault(f"{path} belongs to {_name(status.st_uid)}, not to {user.pw_name}", change, blocks=True)
    if have & mode != mode:
        yield Fault(
            f"{path} has mode {have:04o}, which keeps its owner out", f"sudo chmod {mode:o} {path}", blocks=True
        )
    elif have & 0o077:
        yield Fault(f"{path} has mode {have:04o}: others may open it", f"sudo chmod {mode:o} {path}", blocks=False)


def _writable_for_unit(site: Site) -> Iterator[Fault]:
    """Whatever its mode, the unit may write where systemd lets it: a database elsewhere must be named to it."""
    directory = site.database.parent.absolute()
    state = [f"/var/lib/{name}" for name in site.unit.get("StateDirectory", "").split()]
    open_to_it = [Path(path) for path in (*state, *site.unit.get("ReadWritePaths", "").split())]
    if site.unit.get("ProtectSystem") == "strict" and not any(directory.is_relative_to(path) for path in open_to_it):
        drop_in = f"/etc/systemd/system/{UNIT}.d"
        yield Fault(
            f"{UNIT} may not write to {directory}",
            f"sudo mkdir -p {drop_in}\n"
            f"printf '[Service]\\nReadWritePaths={directory}\\n' | sudo tee {drop_in}/database.conf\n"
            f"sudo systemctl daemon-reload\n{commands.restart(site)}",
            blocks=True,
        )


def _readable(path: Path, user: pwd.struct_passwd) -> Iterator[Fault]:
    """Faults of what root writes and the service reads: the secret is in it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return  # which the configuration's own check says
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid == user.pw_uid:
        needed = stat.S_IRUSR
    else:
        needed = stat.S_IRGRP if status.st_gid == user.pw_gid else stat.S_IROTH
    repair = f"sudo chown root:{_group(user)} {path}\nsudo chmod 640 {path}"
    if not mode & needed:
        seen = f"{path} has mode {mode:04o} and belongs to {_name(status.st_uid)}: the server can't read it"
        yield Fault(seen, repair, blocks=True)
    elif mode & stat.S_IROTH:
        yield Fault(f"{path} has mode {mode:04o}: everybody can read the secret", repair, blocks=False)
    elif mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield Fault(f"{path} has mode {mode:04o}: others than its owner can change it", repair, blocks=False)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(user: pwd.struct_passwd) -> str:
    try:
        return grp.getgrgid(user.pw_gid).gr_name
    except KeyError:
        return str(user.pw_gid)


QUESTIONS: Final = (Question("permissions", ("1.2",), permissions),)
