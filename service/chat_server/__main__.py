"""`python -m chat_server`, and the executable's entry."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Runs what the command line says; gives the exit code."""
    try:
        from chat_server import cli  # noqa: PLC0415  what it needs may not be there

        return cli.main()
    except ImportError as error:
        remedy = "sudo apt install --reinstall chat-server"
        sys.stderr.write(f"chat-server: a library is missing or broken: {error}: {remedy}\n")
        return os.EX_OSFILE


if __name__ == "__main__":
    sys.exit(main())
