"""Puts the secret that config.toml has into a file of its own, so that people stay signed in; else a fresh one.

It runs on the host, as root, and prints nothing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tomllib
from pathlib import Path

CONFIG = Path("/opt/chat-server/config.toml")
SECRET_FILE = Path("/opt/chat-server/jwt-secret")


def main() -> None:
    configured = tomllib.loads(CONFIG.read_text()).get("auth", {}).get("jwt_secret") if CONFIG.exists() else None
    if not configured and SECRET_FILE.exists():
        return
    new = SECRET_FILE.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        shutil.chown(new, "root", "chat-server")
        file.write(f"{configured or secrets.token_urlsafe(32)}\n")
        file.flush()
        os.fchmod(file.fileno(), 0o640)
        os.fsync(file.fileno())
    new.rename(SECRET_FILE)


if __name__ == "__main__":
    main()
