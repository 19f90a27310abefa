"""Commands as an admin types them, for remedies."""

from __future__ import annotations

import pwd
import shlex
from pathlib import Path

from chat_server.operations.doctor.site import UNIT, Site
from chat_server.operations.owner import owner_of

SERVICE = UNIT.removesuffix(".service")
INSTALLED = Path("/opt/chat-server/config.toml")


def chat_server(site: Site, *words: str) -> str:
    """Our own command."""
    config = [] if site.config_path == INSTALLED else ["--config", str(site.config_path.absolute())]
    return shlex.join(["sudo", "chat-server", *config, *words])


def systemctl(verb: str) -> str:
    """What systemd is to do with the service: "restart"."""
    return f"sudo systemctl {verb} {SERVICE}"


def restart(site: Site) -> str:
    """So that it runs again with what was repaired: also after systemd has given up."""
    return "\n".join([*_forgetting(site), systemctl("restart")])


def start(site: Site) -> str:
    """The same of what was stopped, or could not start."""
    return "\n".join([*_forgetting(site), systemctl("start")])


def _forgetting(site: Site) -> list[str]:
    """systemd counts a start by hand, too, and refuses it where it has given up, or would have at the next."""
    return [systemctl("reset-failed")] if site.unit.get("ActiveState") in {"failed", "activating"} else []


def sql(site: Site, statements: str) -> str:
    """SQL for the database."""
    return f"{sqlite(site, site.database)} {shlex.quote(statements)}"


def sqlite(site: Site, file: Path) -> str:
    """The shell of SQLite on a file, as the database's owner: what root makes there would lock the server out."""
    return shlex.join(["sudo", "-u", service_user(site), "sqlite3", str(file)])


def service_user(site: Site) -> str:
    """Whose the database has to be: the unit's user, or without a unit whose it is."""
    if user := site.unit.get("User"):
        return user
    try:
        return pwd.getpwuid(owner_of(site.database).st_uid).pw_name
    except (OSError, KeyError):
        return SERVICE
