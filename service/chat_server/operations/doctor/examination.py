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
    return [question for chapter in CHAPTERS for question in _questions(f"{__package__}.{chapter}")]


def _questions(module: str) -> Sequence[Question]:
    """Of one module. Where a library is missing, the others are asked all the same."""
    try:
        found: Sequence[Question] = importlib.import_module(module).QUESTIONS
    except ImportError as error:
        problem = Finding("failure", f"can't be examined: {error}", REINSTALL)
        return (Question(module.rpartition(".")[2], ("1.4",), lambda _site: problem),)
    return found


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
