"""Asking all questions, in the order of the guide."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Sequence
from typing import Final

from chat_server.operations.doctor.report import Check, Finding, Question, Report, answer, report
from chat_server.operations.doctor.site import Site
from chat_server.operations.errors import RefusedError

CHAPTERS: Final = (
    *("startup", "permissions", "service", "resources"),
    "websocket",
    "authentication",
    *("instances", "leftovers", "database", "backups"),
    *("load", "tables"),
    "clients",
    "network",
    "logs",
)
REINSTALL: Final = "sudo apt install --reinstall chat-server"


def questions() -> list[Question]:
    """Every question there is, chapter by chapter."""
    every: list[Question] = []
    lost: list[str] = []
    reasons: list[str] = []
    for chapter in CHAPTERS:
        try:
            every += importlib.import_module(f"{__package__}.{chapter}").QUESTIONS
        except ImportError as error:  # the other chapters are examined all the same
            lost.append(chapter)
            reasons.append(str(error))
    return [_of_lost(lost, reasons), *every] if lost else every


def _of_lost(chapters: list[str], reasons: list[str]) -> Question:
    seen = f"not examined: {', '.join(chapters)}: {'; '.join(dict.fromkeys(reasons))}"
    return Question("examination", ("1.4",), lambda _site: Finding("failure", seen, REINSTALL))


def examine(site: Site, *, only: Collection[str], progress: Callable[[float], None]) -> Report:
    """Asks the questions whose ids are in `only`, or all where it is empty. `progress` is told the share that is done.

    Raises RefusedError for an id that no question has.
    """
    asked = _chosen(questions(), only)
    checks: list[Check] = []
    for number, question in enumerate(asked):
        progress(number / len(asked))
        checks.append(answer(question, site))
    progress(1)
    return report(checks)


def _chosen(every: Sequence[Question], only: Collection[str]) -> Sequence[Question]:
    ids = [question.id for question in every]
    unknown = sorted(set(only) - set(ids))
    if unknown:
        raise RefusedError(f"there is no check {', '.join(unknown)}: there are {', '.join(ids)}")
    return [question for question in every if question.id in only] if only else every
