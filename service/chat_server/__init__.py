"""chat-server: a private chat for two people at a time, on a machine of your own."""

from __future__ import annotations

__version__ = "0.1.0"
