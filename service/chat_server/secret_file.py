"""Writing `auth.jwt_secret_file` where there is none, for hosts that nobody prepares: a container's volume."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from chat_server.config import AuthSection
from chat_server.configuration_checks import Mistake
from chat_server.storage.durable import sync

SECRET_BYTES = 32


def write_secret(auth: AuthSection) -> Path | None:
    """Puts a fresh secret where `jwt_secret_file` says; gives the file, or None where it was there already.

    The file appears whole and on disk, 0600; of several that write it at once one wins, and all go on with its.
    Raises Mistake.
    """
    if not auth.jwt_secret_file:
        raise Mistake("auth", "jwt_secret_file", "is missing", "name the file that --create-secret is to write")
    file = Path(auth.jwt_secret_file)
    try:
        return file if not file.exists() and _created(file) else None
    except OSError as error:
        raise Mistake(
            "auth",
            "jwt_secret_file",
            f"names {file}, which cannot be written: {error.strerror}",
            f"put a secret there, or let the server's user write to {file.parent}",
        ) from None


def _created(file: Path) -> bool:
    """Whether it was this call that made the file."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.") as fresh:
        fresh.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
        fresh.flush()
        os.fsync(fresh.fileno())
        try:
            os.link(fresh.name, file)  # unlike a rename it never replaces what is there
        except FileExistsError:
            return False
    sync(file.parent)
    return True
