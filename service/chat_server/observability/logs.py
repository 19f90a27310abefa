"""The log: one line per event on standard error, written beside the hub.

All code logs through the standard library, with the event first and its fields in a dict:

    log = logging.getLogger("chat_server.accounts")
    log.info("failed login", {"username": username, "address": address})

The event is a constant phrase, the one an admin greps for; what varies is a field: a text or a number, never
a secret or a message's content. Exceptions go in by `exc_info=True`. Levels are error, warn, info, debug and
trace, the last by `log.log(TRACE, …)`. Within a request its id is added to each line, from `request_id`.

A call on the hub only puts the record into a queue. A thread renders and writes what has come together every
50 ms, and at once for warnings and errors, so only a killed process loses lines, and of those 50 ms at most.
Fields are therefore rendered a little later: don't change a dict once it is logged.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections import deque
from contextvars import ContextVar
from typing import Final, Literal, TextIO

from chat_server.config import LogLevel
from chat_server.observability.lines import Render, journal_line, json_line, text_line

TRACE: Final = 5
LEVELS: Final[dict[LogLevel, int]] = {
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}
BATCH_SECONDS: Final = 0.05
CLOSE_SECONDS: Final = 2
MAX_WAITING: Final = 20_000

LogFormat = Literal["auto", "text", "journal", "json"]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the HTTP request the current greenlet answers. A greenlet has a context of its own."""

_RENDER: Final[dict[LogFormat, Render]] = {"text": text_line, "journal": journal_line, "json": json_line}


class LogHandle:
    """The log of a process, from `configure` until `close`."""

    def __init__(self, handler: _BatchHandler) -> None:
        self._handler = handler

    def set_level(self, level: LogLevel) -> None:
        """Say less, or more, from now on. Other libraries are heard from warnings upwards only."""
        logging.getLogger("chat_server").setLevel(LEVELS[level])
        logging.getLogger().setLevel(max(LEVELS[level], logging.WARNING))

    def close(self) -> None:
        """Write what waits, if standard error takes it within 2 s, and end the thread."""
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()


def configure(level: LogLevel, log_format: LogFormat, stream: TextIO) -> LogHandle:
    """Send every logger's records to a stream with a file descriptor, such as sys.stderr.

    `auto` is text for a terminal, priorities and fields for the journal, and otherwise JSON.
    """
    _leave_out_what_no_line_shows()
    logging.addLevelName(TRACE, "TRACE")
    handler = _BatchHandler(stream.fileno(), _RENDER[_detected(stream) if log_format == "auto" else log_format])
    logging.getLogger().addHandler(handler)
    handle = LogHandle(handler)
    handle.set_level(level)
    return handle


def _detected(stream: TextIO) -> LogFormat:
    if stream.isatty():
        return "text"
    # systemd says which stream it connected to the journal, lest one redirected elsewhere be taken for it
    # (systemd.exec(5), $JOURNAL_STREAM).
    status = os.fstat(stream.fileno())
    connected = os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return "journal" if connected else "json"


def _leave_out_what_no_line_shows() -> None:
    """The standard library's own switches (logging HOWTO, "Optimization"): a call costs a third without."""
    logging._srcfile = None  # noqa: SLF001  its documented switch for the caller's file and line
    for switch in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, switch, False)


class _BatchHandler(logging.Handler):
    def __init__(self, descriptor: int, render: Render) -> None:
        super().__init__()
        # Its own, so that whoever closes the stream leaves no thread writing into another file of that number.
        self._descriptor = os.dup(descriptor)
        self._render = render
        self._waiting: deque[logging.LogRecord] = deque()
        self._dropped = 0
        self._closing = False
        self._some = threading.Event()
        self._urgent = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record. When the queue is full the line is dropped, and a later line says how many were."""
        if len(self._waiting) >= MAX_WAITING:
            self._dropped += 1
            return
        if current := request_id.get():
            record.__dict__["request_id"] = current
        self._waiting.append(record)
        if not self._some.is_set():
            self._some.set()
        if record.levelno >= logging.WARNING:
            self._urgent.set()

    def close(self) -> None:
        """Write what waits and end the thread; also what logging itself calls when the interpreter exits."""
        self._closing = True
        self._urgent.set()
        self._some.set()
        self._thread.join(CLOSE_SECONDS)
        super().close()

    def _run(self) -> None:
        reported, closing = 0, False
        while not closing:
            self._some.wait()
            self._urgent.wait(BATCH_SECONDS)
            self._some.clear()
            self._urgent.clear()
            # Asked before the queue is emptied, so that what came before `close` is written.
            closing = self._closing
            lines = [self._line(self._waiting.popleft()) for _ in range(len(self._waiting))]
            if (dropped := self._dropped) > reported:
                lines.append(self._line(_dropped_record(dropped - reported)))
                reported = dropped
            self._write("".join(lines).encode(errors="backslashreplace"))
        os.close(self._descriptor)

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return self._render(record) + "\n"
        except Exception as failure:  # noqa: BLE001  a value's own code may fail in any way, and the log goes on
            return f"a line of {record.name} could not be rendered: {type(failure).__name__}\n"

    def _write(self, data: bytes) -> None:
        # Whoever read standard error may have gone; there is nobody left to tell.
        with contextlib.suppress(OSError):
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BlockingIOError:
                    select.select([], [self._descriptor], [])


def _dropped_record(count: int) -> logging.LogRecord:
    fields = ({"count": count},)
    return logging.LogRecord("chat_server.log", logging.WARNING, "", 0, "log lines dropped", fields, None)
