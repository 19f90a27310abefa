"""Autobahn's cases for RFC 6455, against our frame layer behind our upgrade.

docs/protocol-conformance.md says why each case that is not plainly "OK" is as it is.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.websocket.echo_server import ROOT, Settings, join, running_echo_server
from tests.websocket.raw import CONTINUATION, TEXT, Got, Peer, frame

MIB = 1024 * 1024

# The limits of Autobahn's largest messages, and binary ones, which the product refuses.
SETTINGS = Settings(max_message=16 * MIB, queue_limit=64 * MIB, binary=True)

FULL_MARKS = ("OK", "OK")
COMPRESSION = re.compile(r"1[23]\..*")
DEVIATIONS = {
    "6.4.3": ("NON-STRICT", "OK"),
    "6.4.4": ("NON-STRICT", "OK"),
    "7.1.6": ("INFORMATIONAL", "INFORMATIONAL"),
    "7.13.1": ("INFORMATIONAL", "INFORMATIONAL"),
    "7.13.2": ("INFORMATIONAL", "INFORMATIONAL"),
}


def test_no_case_of_autobahns_fails_and_only_those_explained_deviate(tmp_path: Path) -> None:
    with running_echo_server(SETTINGS) as server:
        kosoku = Path(sys.executable).with_name("kosoku")
        url = f"ws://127.0.0.1:{server.port}/socket"
        # It exits with 1 because of the cases that compression is not offered to.
        run = subprocess.run(
            [kosoku, "--parallelism", "4", "--outdir", tmp_path, url], capture_output=True, check=False
        )
    (cases,) = json.loads((tmp_path / "index.json").read_text()).values()
    assert len(cases) == 517, run.stderr.decode()
    marks = {name: (case["behavior"], case["behaviorClose"]) for name, case in cases.items()}
    for name, mark in marks.items():
        if COMPRESSION.fullmatch(name):
            assert mark == ("UNIMPLEMENTED", "OK"), name
    deviations = {name: mark for name, mark in marks.items() if mark != FULL_MARKS and not COMPRESSION.fullmatch(name)}
    assert deviations == DEVIATIONS


def test_each_deviation_is_explained() -> None:
    explained = (ROOT / "docs" / "protocol-conformance.md").read_text()
    for name in [*DEVIATIONS, "12.*", "13.*"]:
        assert f"`{name}`" in explained


def test_frames_may_come_right_behind_the_upgrade() -> None:
    sent = frame(TEXT, b"hello") + frame(TEXT, b"and ", final=False)
    with running_echo_server() as server, join(server.port, behind=sent) as connected:
        peer = Peer(connected)
        peer.send(frame(CONTINUATION, b"welcome"))
        assert [peer.get(), peer.get()] == [Got(TEXT, b"hello"), Got(TEXT, b"and welcome")]
