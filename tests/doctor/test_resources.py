"""Chapter 1: the disks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.commands.admin import CHAT_SERVER
from tests.doctor.patient import Check, ask_one
from tests.faults.small_disk import SmallDisk, small_disk
from tests.server import free_port, write_config


def ask_within(disk: SmallDisk, config: Path) -> Check:
    done = subprocess.run(
        [*disk.enter, CHAT_SERVER, "--config", str(config), "doctor", "--json", "--only", "disk"],
        capture_output=True,
        text=True,
        check=False,
    )
    [check] = json.loads(done.stdout)["checks"]
    return Check(**check)


def test_each_disk_is_told_with_what_is_free(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    check = ask_one(write_config(tmp_path, port=free_port(), limits={"disk_warning_percent": 100}), "disk")
    assert check.status == "ok"
    assert "MiB free" in check.seen


def test_a_disk_beyond_the_configured_share_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    check = ask_one(write_config(tmp_path, port=free_port(), limits={"disk_warning_percent": 1}), "disk")
    assert (check.status, check.chapter) == ("warning", "1.6 The disk is full")
    assert "sudo journalctl --vacuum-time=7d" in check.remedy.splitlines()


def test_a_full_disk_is_a_failure_and_well_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", mib=128) as disk:
        database = str(disk.path / "chat.db")
        (tmp_path / "backups").mkdir()
        config = write_config(
            tmp_path, port=free_port(), database={"path": database}, limits={"disk_warning_percent": 99}
        )
        disk.fill()
        check = ask_within(disk, config)
        assert (check.status, f"{disk.path}: 0 MiB free, 100 % used" in check.seen) == ("failure", True)
        disk.free()
        assert ask_within(disk, config).status == "ok"


def test_room_is_made_of_databases_that_were_replaced_a_week_ago_and_of_no_log(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    for word in ("replaced-20260101-000000", "unfolded-20260101-000000-wal", "mine"):
        (tmp_path / f"chat.db.{word}").touch()
    check = ask_one(write_config(tmp_path, port=free_port(), limits={"disk_warning_percent": 1}), "disk")
    assert f"sudo find {tmp_path} -maxdepth 1 -name 'chat.db.replaced-*' -mtime +7 -delete" in check.remedy.splitlines()
    assert "sudo rm" not in check.remedy
    assert [word for word in ("unfolded", "mine") if word in check.remedy] == []
