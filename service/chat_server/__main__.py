"""`python -m chat_server`, and the executable's entry."""

from __future__ import annotations

import sys

from chat_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
