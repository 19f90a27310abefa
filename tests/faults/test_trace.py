"""The judge of traces, on traces whose verdict is plain."""

from __future__ import annotations

import json

from tests.faults.line import TEXT
from tests.faults.trace import early_acks, read

WAL = "/data/chat.db-wal"
SOCKET = "socket:[4711]"
HEADER = b"\0\0\0\7" + b"\0\0\0\0" + bytes(16)
COMMIT_HEADER = b"\0\0\0\7" + b"\0\0\0\x2a" + bytes(16)


def hexadecimal(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def pwrite(data: bytes) -> str:
    return f'10 pwrite64(5<{hexadecimal(WAL.encode())}>, "{hexadecimal(data)}", {len(data)}, 0) = {len(data)}'


def sync_begins(path: str = WAL) -> str:
    return f"10 fdatasync(5<{hexadecimal(path.encode())}> <unfinished ...>"


def sync_ends(result: str = "0") -> str:
    return f"10 <... fdatasync resumed>)            = {result}"


def page(*message_ids: str) -> bytes:
    return b"".join(message_id.encode() + b"-more" for message_id in message_ids).ljust(4096, b"\0")


def transaction(*message_ids: str) -> list[str]:
    """Two pages, the second of which commits."""
    return [pwrite(HEADER), pwrite(page(*message_ids)), pwrite(COMMIT_HEADER), pwrite(page())]


def ack(message_id: str, status: str = "sent") -> str:
    frame = {"id": message_id, "type": "ack", "timestamp": 1, "data": {"status": status}}
    payload = json.dumps(frame, separators=(",", ":")).encode()
    data = bytes([0x80 | TEXT, len(payload)]) + payload
    return f'11 write(9<{hexadecimal(SOCKET.encode())}>, "{hexadecimal(data)}", {len(data)}) = {len(data)}'


def verdict(*lines: str) -> tuple[int, list[str]]:
    return early_acks(read(lines))


def test_an_ack_after_the_sync_of_its_transaction_is_in_time() -> None:
    assert verdict(*transaction("one", "two"), sync_begins(), sync_ends(), ack("one"), ack("two")) == (2, [])


def test_an_ack_without_a_sync_is_early() -> None:
    assert verdict(*transaction("one"), ack("one")) == (1, ["one"])


def test_an_ack_before_anything_is_written_is_early() -> None:
    assert verdict(ack("one"), *transaction("one"), sync_begins(), sync_ends()) == (1, ["one"])


def test_an_ack_during_the_sync_is_early() -> None:
    assert verdict(*transaction("one"), sync_begins(), ack("one"), sync_ends()) == (1, ["one"])


def test_a_sync_that_began_before_the_commit_record_does_not_count() -> None:
    *pages, commit_record, last_page = transaction("one")
    assert verdict(*pages, sync_begins(), commit_record, last_page, sync_ends(), ack("one")) == (1, ["one"])


def test_a_sync_of_another_transaction_does_not_count() -> None:
    trace = [*transaction("one"), sync_begins(), sync_ends(), *transaction("two"), ack("two"), ack("one")]
    assert verdict(*trace) == (2, ["two"])


def test_a_sync_of_another_file_does_not_count() -> None:
    assert verdict(*transaction("one"), sync_begins("/data/chat.db"), sync_ends(), ack("one")) == (1, ["one"])


def test_a_sync_that_failed_does_not_count() -> None:
    failed = sync_ends("-1 EIO (Input/output error)")
    assert verdict(*transaction("one"), sync_begins(), failed, ack("one")) == (1, ["one"])


def test_delivered_and_read_are_no_promises_about_the_disk() -> None:
    assert verdict(ack("one", "delivered"), ack("one", "read")) == (0, [])


def test_several_strings_of_one_call_are_one_write() -> None:
    line = '11 writev(9<\\x73>, [{iov_base="\\x61\\x62", iov_len=2}, {iov_base="\\x63", iov_len=1}], 2) = 3'
    (call,) = read([line, "11 --- SIGTERM {si_signo=SIGTERM} ---", "11 +++ exited with 0 +++"])
    assert (call.name, call.target, call.data, call.result) == ("writev", "s", b"abc", 3)
