"""docs/protocol.md names every frame, field, error code and close code there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from chat_server.chat.refusals import RateLimitedError, RefusalError
from chat_server.realtime import frames
from chat_server.realtime.refusals import explain

ROOT = Path(__file__).parents[2]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
REALTIME = ROOT / "service" / "chat_server" / "realtime"


def source() -> str:
    return "\n".join(path.read_text() for path in REALTIME.glob("*.py"))


@pytest.mark.parametrize("frame", frames.InboundFrame.__args__, ids=lambda frame: frame.__name__)
def test_a_frame_that_clients_send_is_documented_with_its_fields(frame: type[msgspec.Struct]) -> None:
    kind = msgspec.inspect.type_info(frame)
    assert isinstance(kind, msgspec.inspect.StructType)
    row = "\n".join(line for line in PROTOCOL.splitlines() if line.startswith(f"| `{kind.tag}` |"))
    assert row
    data = next((field for field in msgspec.structs.fields(frame) if field.name == "data"), None)
    names = [field.encode_name for field in msgspec.structs.fields(data.type)] if data else []
    assert [name for name in names if f"`{name}`" not in row] == []


@pytest.mark.parametrize("data", frames.Data.__args__, ids=lambda data: data.__name__)
def test_what_the_server_sends_is_documented_field_by_field(data: type[msgspec.Struct]) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(data)]
    assert [name for name in names if f"`{name}`" not in PROTOCOL] == []


def test_every_refusal_has_a_documented_code() -> None:
    def all_below(kind: type[RefusalError]) -> list[type[RefusalError]]:
        return [kind, *(below for child in kind.__subclasses__() for below in all_below(child))]

    told = [kind for kind in all_below(RefusalError) if kind in explain.__globals__["_WORDS"]]
    codes = {explain(RateLimitedError(1) if kind is RateLimitedError else kind())[0] for kind in told}
    codes |= set(re.findall(r'"([A-Z]+_[A-Z_]+|UNAUTHORIZED)", "[A-Z]', source()))
    assert {code for code in codes if f"| `{code}` |" not in PROTOCOL} - {
        "TOO_MANY_CONNECTIONS",
        "ACCOUNT_DELETED",
    } == set()


def test_every_close_code_is_documented() -> None:
    codes = set(re.findall(r"\b(?:close|ViolationError)\((\d{4})", source()))
    assert codes
    assert {code for code in codes if f"| {code} |" not in PROTOCOL} == set()
