"""`chat-server support-bundle`: all that support needs, nothing that is secret, whatever is broken."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands.admin import Admin, Done
from tests.device import online
from tests.server import SECRET, Server, free_port, running_server, write_config

MESSAGE = "canary-message-Xq81vT"
PASSWORD = "Canary-password-9Kz"
WEBHOOK = "canary-webhook-Zr40pW"
ARGUMENT = "canary-argument-Yt72sD"
QUERY = "canary-token-in-a-query-Lm3"


@dataclass(frozen=True)
class Bundle:
    """One that was made and unpacked."""

    done: Done
    file: Path
    texts: Mapping[str, str]

    @property
    def listed(self) -> set[str]:
        """What its README.txt says is in it."""
        return self._names("In it:")

    @property
    def missing(self) -> set[str]:
        """What its README.txt says could not be had."""
        return self._names("Not in it, for it could not be had:") - {"nothing"}

    def _names(self, heading: str) -> set[str]:
        return {
            line.split()[0]
            for line in self.texts["README.txt"].split(f"\n{heading}\n")[1].partition("\n\n")[0].splitlines()
        }


def make(config: Path, directory: Path, *words: str) -> Bundle:
    """Has the real command make a bundle in the directory."""
    file = directory / "bundle.tar.gz"
    done = Admin(config, directory / "chat.db").run("support-bundle", "--output", str(file), *words)
    assert done.code == 0, done.errors
    texts = {}
    with tarfile.open(file) as archive:
        for entry in archive:
            if entry.isfile():
                stream = archive.extractfile(entry)
                assert stream
                texts[entry.name.partition("/")[2]] = stream.read().decode()
    return Bundle(done, file, texts)


@dataclass(frozen=True)
class Site:
    """A server with secrets everywhere, and what is secret of it."""

    server: Server
    secrets: frozenset[str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    alerts = {
        "webhook_url": f"http://127.0.0.1:9/{WEBHOOK}?room=1",
        "command": ["/bin/true", f"--key={ARGUMENT}"],
    }
    with running_server(directory, alerts=alerts) as server:
        ann, bob = (server.client().sign_up(name, PASSWORD) for name in ("ann", "bob"))
        with online(server, ann) as device:
            device.say(bob, MESSAGE)
        server.client().request("GET", f"/socket?token={QUERY}")
        yield Site(server, frozenset({MESSAGE, PASSWORD, WEBHOOK, ARGUMENT, QUERY, SECRET, ann.token, bob.token}))


@pytest.fixture(scope="module")
def bundle(site: Site) -> Bundle:
    return make(site.server.config, site.server.config.parent)


def test_what_is_secret_was_there_to_be_found(site: Site) -> None:
    directory = site.server.config.parent
    stored = b"".join(file.read_bytes() for file in directory.glob("chat.db*"))
    assert MESSAGE.encode() in stored
    assert {SECRET, WEBHOOK, ARGUMENT} <= {word for word in site.secrets if word in site.server.config.read_text()}


def test_no_byte_of_a_secret_is_in_it(site: Site, bundle: Bundle) -> None:
    everything = "\n".join([*bundle.texts, *bundle.texts.values(), bundle.done.output, bundle.done.errors])
    assert {secret for secret in site.secrets if secret in everything} == set()
    assert "$argon2" not in everything


def test_it_has_what_the_running_server_says(bundle: Bundle) -> None:
    assert '"status":"healthy"' in bundle.texts["server/health.json"].replace(" ", "")
    assert "/status answers 200" in bundle.texts["server/status.json"]
    assert "chat_websockets 0" in bundle.texts["server/metrics.txt"]


def test_it_has_the_schema_and_the_number_of_rows(bundle: Bundle) -> None:
    assert "CREATE TABLE messages" in bundle.texts["database.txt"]
    assert "users: 2 rows" in bundle.texts["database.txt"]
    assert "messages: 1 rows" in bundle.texts["database.txt"]
    assert "user_version: 1" in bundle.texts["database.txt"]


def test_it_has_the_configuration(site: Site, bundle: Bundle) -> None:
    assert f"port = {site.server.port}" in bundle.texts["config.toml"]
    assert "jwt_secret = ***" in bundle.texts["config.toml"]
    assert 'command = ["/bin/true", "***"]' in bundle.texts["config.toml"]


def test_it_has_the_files_and_their_modes(bundle: Bundle) -> None:
    (line,) = [line for line in bundle.texts["files.txt"].splitlines() if line.endswith(" chat.db")]
    assert line.split()[0] == "-rw-------"


def test_it_has_doctors_report(bundle: Bundle) -> None:
    report = json.loads(bundle.texts["doctor.json"])
    assert report["status"] in {"ok", "warning", "failure"}
    assert {"configuration", "port", "integrity"} <= {check["id"] for check in report["checks"]}


def test_it_has_what_the_guide_asks_for_of_the_host(bundle: Bundle) -> None:
    assert os.uname().release in bundle.texts["host/system.txt"]
    assert "Mem:" in bundle.texts["host/memory.txt"]
    assert "Inodes" in bundle.texts["host/disks.txt"]


def test_every_part_is_there_or_named_with_the_reason(bundle: Bundle) -> None:
    assert bundle.listed == set(bundle.texts) - {"README.txt"}
    assert bundle.listed & bundle.missing == set()
    assert {"logs/chat-server.log", "unit/show.txt", "network/firewall.txt"} <= bundle.listed | bundle.missing


def test_inside_and_at_the_terminal_it_says_what_it_still_holds(bundle: Bundle) -> None:
    assert "It HOLDS user names, addresses" in bundle.texts["README.txt"]
    assert "It holds user names and addresses: give it only to those who may know them." in bundle.done.errors


def test_only_who_made_it_can_read_it(bundle: Bundle) -> None:
    found = bundle.file.stat()
    assert (found.st_mode & 0o777, found.st_uid) == (0o600, os.geteuid())


def test_a_program_learns_what_is_in_it(site: Site, tmp_path: Path) -> None:
    bundle = make(site.server.config, tmp_path, "--json")
    told = json.loads(bundle.done.output)
    assert told["file"] == str(bundle.file)
    assert told["sizeBytes"] == bundle.file.stat().st_size
    assert set(told["parts"]) == set(bundle.texts)
    assert {each["name"] for each in told["missing"]} == bundle.missing


def test_without_a_name_it_is_dated_and_lies_in_the_current_directory(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Admin(site.server.config, site.server.database).run("support-bundle")
    (made,) = tmp_path.iterdir()
    assert made.match("chat-server-support-????????-??????.tar.gz")


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_what_exists_is_never_overwritten(site: Site, tmp_path: Path, kind: str) -> None:
    there = tmp_path / "there"
    if kind == "file":
        there.write_text("mine")
    elif kind == "link":
        there.symlink_to(tmp_path / "elsewhere")
    else:
        there.mkdir()
    done = Admin(site.server.config, site.server.database).run("support-bundle", "--output", str(there))
    assert done.code == 1
    assert f"{there}: File exists: name another file with --output" in done.errors
    assert not (tmp_path / "elsewhere").exists()
    assert kind != "file" or there.read_text() == "mine"


def test_more_lines_than_anybody_reads_are_refused(site: Site) -> None:
    done = Admin(site.server.config, site.server.database).run("support-bundle", "--lines", "100001")
    assert (done.code, "100000 at most" in done.errors) == (2, True)


# When much is broken.


def test_without_a_server_the_rest_is_there(tmp_path: Path) -> None:
    with running_server(tmp_path):
        pass
    bundle = make(tmp_path / "config.toml", tmp_path)
    assert {"server/health.json", "server/status.json", "server/metrics.txt"} <= bundle.missing
    assert "users: 0 rows" in bundle.texts["database.txt"]


def test_without_anything_at_all_it_is_made_still(tmp_path: Path) -> None:
    bundle = make(tmp_path / "absent.toml", tmp_path)
    assert {"config.toml", "database.txt"} <= bundle.missing
    assert "absent.toml: No such file or directory" in bundle.texts["README.txt"]


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_bytes(b"SQLite format 3\0" + b"x" * 8000)
    bundle = make(write_config(tmp_path, port=free_port()), tmp_path)
    assert "database.txt" in bundle.missing


@pytest.mark.parametrize("spoilt", ["\n[", '\njwt_secret = "another', "\n\xff"])
def test_a_configuration_that_is_no_toml_shows_its_error_and_no_secret(tmp_path: Path, spoilt: str) -> None:
    config = write_config(tmp_path, port=free_port(), alerts={"webhook_url": f"https://a.example/{WEBHOOK}"})
    config.write_bytes(config.read_bytes() + spoilt.encode("latin-1"))
    bundle = make(config, tmp_path)
    everything = "\n".join(bundle.texts.values())
    assert SECRET not in everything
    assert WEBHOOK not in everything
    assert bundle.texts["config.toml"].startswith("# ")
    assert "port = " in bundle.texts["config.toml"]
