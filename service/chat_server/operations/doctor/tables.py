"""Chapter 5, "It is slow": indexes, the plan of the query that matters, and how much there is."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from chat_server.operations.doctor import commands
from chat_server.operations.doctor.reading import DamageError, Words, read
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import Site
from chat_server.storage.migrations import VERSIONS

MIB: Final = 2**20
CREATE_INDEX: Final = re.compile(r"CREATE (?:UNIQUE )?INDEX (\w+) ON .*", re.DOTALL)
HISTORY: Final = "idx_messages_conversation_id"
PLAN: Final = "EXPLAIN QUERY PLAN SELECT * FROM messages WHERE conversation_id = 'conv-123'"

INDEXES: Final = {
    found[1]: statement
    for statements in VERSIONS
    for statement in statements
    if (found := CREATE_INDEX.fullmatch(statement))
}
"""The statement that makes it, by the index's name."""


def indexes(site: Site) -> Finding:
    """Every index of the schema is there, and a conversation's history is read by the one that is made for it."""

    def names_and_plan(connection: sqlite3.Connection) -> Words:
        yield from connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index'")
        yield [step for (*_, step) in connection.execute(PLAN)]

    try:
        *there, [plan] = read(site, names_and_plan)
    except DamageError as error:
        raise CannotLookError(f"{site.database} is damaged: {error}") from None
    missing = [name for name in INDEXES if [name] not in there]
    if missing:
        return Finding(
            "failure",
            f"missing in the database: {', '.join(missing)}: what needs them reads whole tables",
            _make(site, missing),
        )
    if HISTORY not in plan:
        return Finding("failure", f"a history is not read by {HISTORY}: {plan}", _make(site, [HISTORY]))
    return Finding("ok", f"all {len(INDEXES)} are there, and histories are read by {HISTORY}")


def _make(site: Site, names: list[str]) -> str:
    """SQLite prefers the latest of those that would do: the one for histories is made anew after all others."""
    others = [INDEXES[name] for name in names if name != HISTORY]
    again = [f"DROP INDEX IF EXISTS {HISTORY}", INDEXES[HISTORY]]
    of_messages = any(" ON messages " in INDEXES[name] for name in names)
    statements = ["BEGIN IMMEDIATE", *others, *(again if of_messages else []), "COMMIT"]
    return commands.sql(site, "; ".join(statements) + ";")


def histories(site: Site) -> Finding:
    """How long the longest conversation is. Pages keep it from costing memory; an export or a search takes its time."""

    def longest(connection: sqlite3.Connection) -> Words:
        yield from connection.execute("SELECT count(*), coalesce(max(last_seq), 0) FROM conversations")

    try:
        [(count, most)] = read(site, longest)
    except DamageError as error:
        raise CannotLookError(f"{site.database} is damaged: {error}") from None
    return Finding("ok", f"conversations: {count:,}, the longest has messages: {most:,}; a page has 100 at most")


def size(site: Site) -> Finding:
    """How large the database is, against `[database] large_bytes`."""
    try:
        there = site.database.stat().st_size
    except OSError as error:
        raise CannotLookError(f"{site.database}: {error.strerror}") from None
    large = site.config.database.large_bytes
    seen = f"the database has {there / MIB:,.1f} MiB"
    if there < large:
        return Finding("ok", seen)
    remedy = (
        f"sudo du -sh {site.database}\n"
        "plan the way to PostgreSQL (docs/deployment.md), or raise [database] large_bytes if it is fast enough"
    )
    return Finding("warning", f"{seen}, which is large (from {large / MIB:,.1f} MiB on)", remedy)


QUESTIONS: Final = (
    Question("indexes", ("5.5", "5.2"), indexes),
    Question("histories", ("5.4",), histories),
    Question("size", ("5.6",), size),
)
