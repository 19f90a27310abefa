"""What leaves the host: encrypted for the holder of a key, sent whole to another host, and no harm to the backup."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat_server.observability.backups import last_attempt
from chat_server.operations.errors import CopyFailedError
from chat_server.operations.programs import run
from chat_server.operations.sftp import UNFINISHED, Destination, upload
from tests.backup.contents import add, damage, messages
from tests.backup.far_host import CUTS_OFF, TAKES_A_LITTLE, FarHost, far_host, make_key
from tests.commands.admin import CHAT_SERVER, Admin, Done
from tests.faults.small_disk import small_disk
from tests.server import UNMEASURED, free_port, running_server, write_config

BIG_BYTES = 4_000_000

needs_age = pytest.mark.skipif(shutil.which("age") is None, reason="age is missing: apt install age")


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarHost]:
    """A host that takes copies; nothing is configured to go there yet."""
    with far_host(tmp_path / "far") as host:
        yield host


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """A private key of age's, which is never on the chat server's host."""
    file = tmp_path / "identity"
    subprocess.run(["age-keygen", "-o", file], check=True, capture_output=True)
    return file


def recipient(identity: Path) -> str:
    return subprocess.run(["age-keygen", "-y", identity], check=True, capture_output=True, text=True).stdout.strip()


def decrypted(file: Path, identity: Path) -> Path:
    """As the holder of the private key does it."""
    plain = file.with_suffix(".decrypted")
    subprocess.run(["age", "--decrypt", "--identity", identity, "--output", plain, file], check=True)
    return plain


def configured(admin: Admin, **backup: object) -> Admin:
    """The same admin, whose [backup] has these keys too."""
    home = admin.config.parent
    config = write_config(home, port=free_port(), database={"path": str(admin.database)}, backup=backup)
    return Admin(config, admin.database)


def without_copy(done: Done) -> str:
    """Why there is no copy of a backup that was made."""
    assert done.code == os.EX_UNAVAILABLE
    assert done.output.startswith("backup made: ")
    before, _, why = done.errors.partition("the backup is good, but its copy failed: ")
    assert (before, done.errors.count("\n")) == ("chat-server: ", 1)
    return why.rstrip("\n")


def fill(database: Path) -> None:
    """With what can't be compressed: more than connections hold while nobody reads."""
    add(database, random.Random(1).randbytes(BIG_BYTES // 2).hex())


# Encryption.


@needs_age
def test_an_encrypted_copy_is_kept_beside_each_backup(admin: Admin, backups: Path, identity: Path) -> None:
    add(admin.database, "one")
    done = configured(admin, encrypt_to=recipient(identity)).run("backup", "--json").json
    copy = Path(done["copy"])
    assert str(copy) == f"{done['file']}.age"
    assert b"one" not in copy.read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert messages(decrypted(copy, identity)) == ["one"]
    assert messages(backups / "latest.db") == ["one"]


@needs_age
def test_it_can_be_encrypted_to_a_public_key_of_ssh(admin: Admin, tmp_path: Path) -> None:
    make_key(tmp_path / "id_ed25519")
    public = (tmp_path / "id_ed25519.pub").read_text().strip()
    copy = configured(admin, encrypt_to=public).run("backup", "--json").json["copy"]
    assert messages(decrypted(Path(copy), tmp_path / "id_ed25519")) == []


@needs_age
def test_a_key_with_a_slip_in_it_is_told(admin: Admin, identity: Path) -> None:
    key = recipient(identity)
    slip = key[:-1] + ("q" if key[-1] != "q" else "p")
    why = without_copy(configured(admin, encrypt_to=slip).run("backup"))
    assert why.startswith("it could not be encrypted to [backup] encrypt_to: age: error: ")


@needs_age
def test_restore_says_how_to_decrypt_and_takes_what_comes_of_it(admin: Admin, identity: Path) -> None:
    add(admin.database, "one")
    admin = configured(admin, encrypt_to=recipient(identity))
    copy = Path(admin.run("backup", "--json").json["copy"])
    add(admin.database, "two")
    done = admin.run("restore", str(copy), "--yes")
    assert done.code == os.EX_NOINPUT
    assert f"{copy}: encrypted: " in done.refusal
    assert "age --decrypt --identity KEY" in done.refusal
    assert messages(admin.database) == ["one", "two"]
    assert admin.run("restore", str(decrypted(copy, identity)), "--yes").code == 0
    assert messages(admin.database) == ["one"]


def test_a_program_that_is_not_installed_is_named_with_its_package() -> None:
    with Path(os.devnull).open("rb") as nothing, pytest.raises(CopyFailedError, match="apt install age"):
        run("no-such-program", package="age", given=nothing, seconds=1)


# Another host.


@needs_age
def test_what_is_sent_is_encrypted_and_nothing_of_it_stays_here(
    admin: Admin, backups: Path, far: FarHost, identity: Path
) -> None:
    add(admin.database, "one")
    done = configured(admin, encrypt_to=recipient(identity), **far.section).run("backup", "--json").json
    name = f"{Path(done['file']).name}.age"
    assert done["copy"] == f"{far.section['copy_to']}/{name}"
    assert far.names() == {name}
    assert messages(decrypted(far.directory / name, identity)) == ["one"]
    assert not list(backups.glob("*.age"))


def test_without_a_key_to_encrypt_to_the_backup_itself_is_sent(admin: Admin, far: FarHost) -> None:
    add(admin.database, "one")
    done = configured(admin, **far.section).run("backup")
    assert (done.code, done.errors) == (0, "")
    (copy,) = far.directory.iterdir()
    assert f"; copied to {far.section['copy_to']}/{copy.name}" in done.output
    assert messages(copy) == ["one"]
    assert copy.stat().st_mode & 0o777 == 0o600


def test_each_backup_has_its_copy(admin: Admin, far: FarHost) -> None:
    admin = configured(admin, **far.section)
    admin.run("backup")
    time.sleep(1.1 - time.time() % 1)  # names have seconds
    admin.run("backup")
    assert len(far.names()) == 2


def test_only_here_makes_no_copy(admin: Admin, far: FarHost) -> None:
    assert configured(admin, **far.section).run("backup", "--only-here", "--json").json["copy"] is None
    assert far.names() == set()


def another_host_key(far: FarHost) -> None:
    make_key(far.key.with_name("other"))
    port, other = far.port, far.key.with_name("other.pub").read_text()
    far.key.with_name("known_hosts").write_text(f"[127.0.0.1]:{port} {other}")


def no_host_key(far: FarHost) -> None:
    far.key.with_name("known_hosts").write_text("")


def no_known_hosts(far: FarHost) -> None:
    far.key.with_name("known_hosts").unlink()


def another_key(far: FarHost) -> None:
    far.key.with_name("backup_key.pub").rename(far.key.with_name("kept.pub"))
    make_key(far.key)
    far.key.with_name("kept.pub").rename(far.key.with_name("backup_key.pub"))


def no_key(far: FarHost) -> None:
    far.key.unlink()


def no_directory(far: FarHost) -> None:
    far.directory.rmdir()


def a_file_in_its_place(far: FarHost) -> None:
    far.directory.rmdir()
    far.directory.touch()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (another_host_key, "its key is not the one in {home}/known_hosts"),
        (no_host_key, "its key is not the one in {home}/known_hosts"),
        (no_known_hosts, "{home}/known_hosts, for the host's key, must be there"),
        (another_key, "{home}/backup_key does not open it"),
        (no_key, "{home}/backup_key, for the private key, must be there"),
        (no_directory, "No such file or directory: see that the host is up, and that {home}/copies is there"),
        (a_file_in_its_place, "see that the host is up, and that {home}/copies is there and can be written"),
    ],
)
def test_a_copy_that_fails_says_why_and_the_backup_is_good(
    admin: Admin, backups: Path, far: FarHost, spoil: Callable[[FarHost], None], says: str
) -> None:
    add(admin.database, "one")
    spoil(far)
    why = without_copy(configured(admin, **far.section).run("backup"))
    assert says.format(home=far.key.parent) in why
    assert not far.directory.is_dir() or far.names() == set()
    assert messages(backups / "latest.db") == ["one"]


def test_a_host_that_is_down_is_told(admin: Admin, far: FarHost) -> None:
    why = without_copy(configured(admin, **{**far.section, "copy_port": free_port()}).run("backup"))
    assert "Connection refused: see that the host is up" in why


def test_a_full_disk_there_is_told_and_holds_no_half_copy_under_a_good_name(admin: Admin, tmp_path: Path) -> None:
    fill(admin.database)
    with (
        small_disk(tmp_path / "disk", mib=16) as disk,
        far_host(tmp_path / "far", directory=disk.path, enter=disk.enter) as far,
    ):
        admin = configured(admin, **far.section)
        (disk.outside / "filler").write_bytes(bytes(14 * 2**20))
        why = without_copy(admin.run("backup"))
        assert "2 MiB were free in" in why
        assert "remove something there" in why
        assert {path.name for path in disk.outside.iterdir()} == {"filler", UNFINISHED}
        (disk.outside / "filler").unlink()
        assert admin.run("backup").code == 0  # what is left of the one before makes way
        (copy,) = disk.outside.iterdir()
        assert copy.name.startswith("chat-")


# Broken off.


def start(admin: Admin) -> subprocess.Popen[bytes]:
    command = [CHAT_SERVER, "--config", str(admin.config), "backup"]
    return subprocess.Popen(command, env={**os.environ, **UNMEASURED}, stderr=subprocess.DEVNULL)


def wait_until_sending(directory: Path) -> None:
    deadline = time.monotonic() + 20
    while not (directory / UNFINISHED).exists() or not (directory / UNFINISHED).stat().st_size:
        assert time.monotonic() < deadline, "nothing is sent"
        time.sleep(0.01)


def test_a_connection_that_breaks_leaves_no_half_copy_under_a_good_name(admin: Admin, tmp_path: Path) -> None:
    fill(admin.database)
    with far_host(tmp_path / "far", runs=CUTS_OFF) as far:
        without_copy(configured(admin, **far.section).run("backup"))
        assert far.names() == {UNFINISHED}
        assert (far.directory / UNFINISHED).stat().st_size < BIG_BYTES


def test_killed_while_it_sends_it_leaves_no_half_copy_under_a_good_name_and_nothing_that_runs(
    admin: Admin, backups: Path, tmp_path: Path
) -> None:
    fill(admin.database)
    with far_host(tmp_path / "far", runs=TAKES_A_LITTLE) as far, start(configured(admin, **far.section)) as killed:
        wait_until_sending(far.directory)
        killed.kill()
        with (backups / ".sending.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # once all that sends has ended
    assert far.names() == {UNFINISHED}
    with far_host(tmp_path / "far") as far:
        assert configured(admin, **far.section).run("backup").code == 0
        (copy,) = far.directory.iterdir()
        assert len(messages(copy)[0]) == BIG_BYTES


def test_while_a_copy_is_sent_there_are_backups_and_restores_but_no_other_copy(
    admin: Admin, backups: Path, tmp_path: Path
) -> None:
    fill(admin.database)
    with far_host(tmp_path / "far", runs=TAKES_A_LITTLE) as far:
        admin = configured(admin, **far.section)
        with start(admin) as sending:
            wait_until_sending(far.directory)
            why = without_copy(admin.run("backup"))
            assert why == f"{backups}: another copy is still being sent: try again when it is done"
            assert admin.run("restore", "--yes", str(backups / "latest.db")).code == 0
            sending.terminate()


def test_what_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(BIG_BYTES))
    with far_host(tmp_path / "far", runs=TAKES_A_LITTLE) as far, file.open("rb") as source:
        there = Destination(str(far.section["copy_to"]).partition(":")[0], str(far.directory), far.port, far.key)
        reading, lock = os.pipe()
        with pytest.raises(CopyFailedError, match="sftp had not ended after 5 s"):
            upload(source, "chat.db", there, lock=lock, seconds=5)
        os.close(lock)
        with open(reading, "rb") as rest:  # noqa: PTH123  a descriptor
            assert rest.read() == b"", "somebody still holds what they inherited"
    assert far.names() == {UNFINISHED}


# What is known of it afterwards.


def test_the_last_attempt_is_recorded_with_what_failed(admin: Admin, backups: Path, far: FarHost) -> None:
    no_host_key(far)
    admin = configured(admin, **far.section)
    admin.run("backup", "--only-here")
    attempt = last_attempt(backups)
    assert attempt
    assert (attempt.failure, attempt.copy_failure) == ("", "")
    admin.run("backup")
    attempt = last_attempt(backups)
    assert attempt
    assert attempt.failure == ""
    assert "its key is not the one" in attempt.copy_failure
    damage(admin.database)
    admin.run("backup")
    failed = last_attempt(backups)
    assert failed
    assert failed.failure.startswith(str(admin.database))
    assert "its key is not the one" in failed.copy_failure
    assert failed.at >= attempt.at


def test_the_metric_says_which_part_failed(admin: Admin, far: FarHost) -> None:
    no_host_key(far)
    failing = configured(admin, **far.section)
    with running_server(admin.config.parent, database={"path": str(admin.database)}) as server:

        def failed() -> dict[str, float]:
            page = server.client().get("/metrics").body.decode()
            found = (line for line in page.splitlines() if line.startswith("chat_backup_failed{"))
            return {line.split('"')[1]: float(line.split()[-1]) for line in found}

        assert failed() == {}
        failing.run("backup", "--only-here")
        assert failed() == {"backup": 0, "copy": 0}
        assert configured(admin, **far.section).run("backup").code == os.EX_UNAVAILABLE
        assert failed() == {"backup": 0, "copy": 1}
