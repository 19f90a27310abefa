"""Schema versions, forward only. PRAGMA user_version holds the number of the last one applied.

Each module v000N_*.py gives STATEMENTS, run in order inside one transaction. A released version is never
edited: a change of the schema is a new module, appended to VERSIONS.
"""

from __future__ import annotations

from chat_server.storage.migrations import v0001_initial

VERSIONS: tuple[tuple[str, ...], ...] = (v0001_initial.STATEMENTS,)
