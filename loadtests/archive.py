"""A long conversation that is only read: every message in it is known by its number."""

from __future__ import annotations

import logging
import random

from loadtests.accounts import Account, PreparationError
from loadtests.api import Api, Body, RefusedError, UnreachableError
from loadtests.findings import Findings
from loadtests.line import Line, LineLostError
from loadtests.measurements import HINT, LIMITED

WINDOW = 100
PAGE = 50

log = logging.getLogger("loadtests")


class Archive:
    """The conversation of two people who write nothing else."""

    def __init__(self, people: list[Account], api: Api, findings: Findings) -> None:
        """Finds the conversation, or starts it. Raises RefusedError, UnreachableError."""
        self._writer, self._reader = people
        self._api = api
        self._findings = findings
        started = api.call(
            "POST", "/conversations/start", {"otherUserId": self._reader.user_id}, token=self._writer.token
        )
        self._path = f"/conversations/{started['conversationId']}/messages"
        self.length: int = self._page(limit=1)["total"]

    def grow(self, length: int) -> None:
        """Writes what is missing, once. Raises PreparationError."""
        if self.length >= length:
            return
        log.info("writing %d messages, once, into the conversation that will be read", length - self.length)
        try:
            line = Line(self._api.host, self._writer.token)
            line.receive()
            self._write(line, length)
            line.hang_up()
            line.release()
        except (LineLostError, RefusedError, UnreachableError) as error:
            raise PreparationError(f"the long conversation could not be written: {error}") from error

    def read(self) -> None:
        """Reads a page from anywhere, and checks every message in it. Raises RefusedError, UnreachableError."""
        before = random.randint(2, self.length + 1)
        page = self._page(before=before, limit=PAGE)
        seqs = [message["seq"] for message in page["messages"]]
        wanted = list(range(max(1, before - PAGE), before))
        if seqs != wanted:
            self._findings.add("gap", f"the page before number {before} has {seqs} instead of {wanted}")
        for message in page["messages"]:
            if (message["id"], message["content"]) != (_id(message["seq"]), _text(message["seq"])):
                self._findings.add("mismatch", f"number {message['seq']} of the long conversation is another message")

    def _write(self, line: Line, length: int) -> None:
        sent = acknowledged = self.length
        while acknowledged < length:
            while sent < min(length, acknowledged + WINDOW):
                sent += 1
                line.send("message", {"recipientId": self._reader.user_id, "content": _text(sent)}, _id(sent))
            frame = line.receive()
            if frame["type"] == "error":
                code = frame["data"]["code"]
                raise PreparationError(HINT % code if code in LIMITED else f"the server refused a message: {code}")
            if frame["type"] == "ack" and frame["data"]["status"] == "sent":
                acknowledged += 1
                self.length = frame["data"]["seq"]

    def _page(self, **query: object) -> Body:
        return self._api.call("GET", self._path, token=self._reader.token, query=query)


def _id(seq: int) -> str:
    return f"archive.{seq}"


def _text(seq: int) -> str:
    return f"This is number {seq} of a long conversation that is read from end to end."
