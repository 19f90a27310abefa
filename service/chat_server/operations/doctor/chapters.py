"""The entries of docs/troubleshooting.md: its headings, which a remedy names. A test holds the two to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

HEADINGS: Final[Mapping[str, str]] = {
    "1.1": "The port is taken",
    "1.2": "The database may not be opened",
    "1.3": "The configuration is refused",
    "1.4": "A library is missing",
    "1.5": "Memory runs out",
    "1.6": "The disk is full",
    "1.7": "It stops because the database is damaged",
    "2.1": "The token is refused",
    "2.2": "The upgrade is refused",
    "2.3": "The firewall blocks the socket",
    "2.4": "The proxy does not upgrade",
    "2.5": "Sockets are closed by the heartbeat",
    "2.6": "The network drops packets",
    "2.7": "Something on the way closes idle sockets",
    "3.1": "Name or password are refused",
    "3.2": "Too many failed logins",
    "3.3": "The account was deleted",
    "3.4": "The session ends in the middle",
    "4.1": "Another process holds the database",
    "4.2": "The write-ahead log grows",
    "4.3": "Files are left beside the database",
    "4.4": "Restore a damaged database",
    "4.5": "Rescue what can be read",
    "5.1": "A flood of messages",
    "5.2": "Slow queries",
    "5.3": "Too many connections",
    "5.4": "Long histories",
    "5.5": "An index is missing",
    "5.6": "The database is very large",
    "6.1": "The page does not start",
    "6.2": "A client does not reach the server",
    "7.1": "The firewall keeps the outside out",
    "7.2": "The server listens on this machine only",
    "7.3": "A router stands before the host",
    "7.4": "A page of another site may not call",
    "8.1": "See more in the log",
    "8.2": "Gather what support needs",
    "8.3": "Run it in the foreground",
    "8.4": "Say which version it is",
}


def heading(entry: str) -> str:
    """The heading of an entry, as the document has it: "1.1 The port is taken"."""
    return f"{entry} {HEADINGS[entry]}"
