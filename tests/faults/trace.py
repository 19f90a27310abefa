"""What strace saw of the server, and which acknowledgements in it left before their message was on disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.line import TEXT, split

# -D: the server, not strace, is the process that the test started. -y names files; -xx writes every string in hex.
STRACE = (
    *("strace", "-D", "-f", "-y", "-xx", "-s", "1000000", "--seccomp-bpf"),
    *("-e", "trace=write,writev,sendto,sendmsg,pwrite64,pwritev,fdatasync,fsync"),
)

WAL_FRAME_HEADER_BYTES = 24

_BEGINNING = re.compile(r"(\d+)\s+(\w+)\((.*)")
_RESUMPTION = re.compile(r"(\d+)\s+<\.\.\. (\w+) resumed>(.*)")
_UNFINISHED = " <unfinished ...>"
_RESULT = re.compile(r"\)\s+= (-?\d+|\?)")
_TARGET = re.compile(r"\d+<([^>]*)>")
_STRING = re.compile(r'"([^"]*)"')


@dataclass
class Call:
    """One system call. `begun` and `ended` are places in the order of all that began and ended."""

    name: str
    target: str
    data: bytes
    begun: int
    ended: int = -1
    result: int = -1


def strace_to(path: Path) -> tuple[str, ...]:
    """The command that runs what follows it under strace, which writes to the file."""
    return (*STRACE, "-o", str(path))


def read(lines: Iterable[str]) -> list[Call]:
    """The calls in a trace of `STRACE`, in the order they began; one that never ended has `ended` -1."""
    calls: list[Call] = []
    under_way: dict[str, Call] = {}
    for place, line in enumerate(lines):
        if begun := _BEGINNING.match(line):
            thread, name, rest = begun.groups()
            target = _TARGET.match(rest)
            strings = "".join(_STRING.findall(rest))
            call = Call(name, _text(target[1]) if target else "", _bytes(strings), begun=2 * place)
            calls.append(call)
            if line.rstrip().endswith(_UNFINISHED):
                under_way[thread] = call
            else:
                _end(call, rest, place)
        elif resumed := _RESUMPTION.match(line):
            _end(under_way.pop(resumed[1]), resumed[3], place)
    return calls


def _end(call: Call, line: str, place: int) -> None:
    result = _RESULT.search(line)
    assert result, f"a call without a result: {line[-200:]}"
    call.ended = 2 * place + 1
    call.result = -1 if result[1] == "?" else int(result[1])


def _bytes(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))


def _text(hexadecimal: str) -> str:
    return _bytes(hexadecimal).decode()


@dataclass
class _Wal:
    """How far each page that was written to the WAL is on its way to the disk."""

    transaction: list[bytes] = field(default_factory=list)
    """Pages of a transaction whose commit record is not written yet."""
    committed: list[bytes] = field(default_factory=list)
    """Pages of whole transactions that no completed sync covers."""
    durable: list[bytes] = field(default_factory=list)
    _syncing: int = 0
    _commits: bool = False

    def wrote(self, data: bytes) -> None:
        """A frame is a header, whose second word is not 0 in a transaction's last one, then a page."""
        if len(data) == WAL_FRAME_HEADER_BYTES:
            self._commits = data[4:8] != bytes(4)
            return
        self.transaction.append(data)
        if self._commits:
            self.committed += self.transaction
            self.transaction.clear()
            self._commits = False

    def sync_begins(self) -> None:
        self._syncing = len(self.committed)

    def synced(self) -> None:
        self.durable += self.committed[: self._syncing]
        del self.committed[: self._syncing]

    def holds(self, message_id: str) -> bool:
        wanted = message_id.encode()
        return any(wanted in page for page in self.durable)


def early_acks(calls: Sequence[Call]) -> tuple[int, list[str]]:
    """How many messages were acknowledged, and the ids of those that were before their transaction was synced.

    A message counts as durable once a sync of the WAL has succeeded that began after the transaction's commit
    record was written; the transaction is the one whose pages contain the message's id.
    """
    wal = _Wal()
    acknowledged = 0
    early: list[str] = []
    events = [(call.begun, call) for call in calls] + [(call.ended, call) for call in calls if call.ended >= 0]
    for place, call in sorted(events, key=lambda event: event[0]):
        begins = place == call.begun
        if call.target.endswith("-wal"):
            if call.name.startswith("pwrite") and not begins:
                wal.wrote(call.data)
            elif call.name.endswith("sync") and begins:
                wal.sync_begins()
            elif call.name.endswith("sync") and call.result == 0:
                wal.synced()
        elif call.target.startswith("socket:") and begins:
            for message_id in _acknowledged(call.data):
                acknowledged += 1
                if not wal.holds(message_id):
                    early.append(message_id)
    return acknowledged, early


def _acknowledged(data: bytes) -> Iterator[str]:
    """The messages whose `sent` is in what was written to a socket."""
    for frame in split(data)[0]:
        if frame.opcode == TEXT and b'"type":"ack"' in frame.payload:
            ack = frame.json
            if ack["data"]["status"] == "sent":
                yield ack["id"]
