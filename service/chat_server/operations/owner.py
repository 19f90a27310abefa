"""Root's commands on the service's files: done as the service's user."""

from __future__ import annotations

import os
from pathlib import Path

from chat_server.operations.errors import RefusedError


def owner_of(database: Path) -> os.stat_result:
    """Who owns the database, or its directory where there is none. Raises OSError."""
    return (database if database.exists() else database.parent).stat()


def act_as_owner(database: Path) -> None:
    """Root becomes, until the process ends, the user who owns the database.

    So whatever is made belongs to the service, and nothing that the service's user could have put into its own
    directories makes root write elsewhere. Raises OSError, and RefusedError where root may not do that.
    """
    if os.geteuid() != 0:
        return
    owner = owner_of(database)
    if owner.st_uid == 0:
        return
    try:
        os.setgroups([owner.st_gid])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    except PermissionError:
        raise RefusedError(
            f"{database}: belongs to user {owner.st_uid}, and root may not act as another user here: "
            "run this as that user"
        ) from None
