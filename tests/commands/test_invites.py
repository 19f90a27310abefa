"""Invites, while the server is down."""

from __future__ import annotations

import time

import pytest

from chat_server.arguments import parser
from tests.commands.admin import Admin


def test_an_invite_shows_its_code_once_and_its_note_ever_after(admin: Admin) -> None:
    made = admin.run("invites", "create", "--note", "日本 for Grace", "--expires-in", "7d", "--json").json
    week_ms = 7 * 24 * 3600 * 1000
    assert made["expiresAt"] == pytest.approx(time.time() * 1000 + week_ms, abs=60_000)
    listed = admin.run("invites", "list", "--json")
    assert made["code"] not in listed.output
    (invite,) = listed.json["invites"]
    assert invite["createdAt"] + week_ms == invite["expiresAt"] == made["expiresAt"]
    del invite["createdAt"], invite["expiresAt"]
    assert invite == {
        "inviteId": made["inviteId"],
        "state": "open",
        "note": "日本 for Grace",
        "usedAt": None,
        "usedBy": None,
    }


def test_columns_stay_aligned_below_wide_characters(admin: Admin) -> None:
    for note in ["日本", "Grace"]:
        assert admin.run("invites", "create", "--note", note).code == 0
    heading, *rows = admin.run("invites", "list").output.splitlines()
    at = heading.index("CREATED")
    assert {len(row[: row.index(" 20") + 1].encode("gb2312")) for row in rows} == {at}


def test_a_revoked_invite_stays_in_the_list(admin: Admin) -> None:
    made = admin.run("invites", "create", "--json").json
    assert made["expiresAt"] is None
    assert admin.run("invites", "revoke", made["inviteId"]).output == f"{made['inviteId']}: revoked\n"
    assert [invite["state"] for invite in admin.run("invites", "list", "--json").json["invites"]] == ["revoked"]


def test_an_unknown_invite_is_refused(admin: Admin) -> None:
    done = admin.run("invites", "revoke", "inv-nothing")
    assert done.code == 1
    assert done.refusal == "'inv-nothing': there is no such invite"


def test_a_note_is_refused_rather_than_cut(admin: Admin) -> None:
    done = admin.run("invites", "create", "--note", "x" * 201)
    assert done.code == 1
    assert done.refusal == "the note has 201 characters; 200 are the most"
    assert admin.run("invites", "list", "--json").json == {"invites": []}


@pytest.mark.parametrize("time_given", ["7", "0d", "1.5h", "7y", "101000w", ""])
def test_a_time_that_is_none_is_a_mistake_on_the_command_line(
    time_given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parser().parse_args(["invites", "create", "--expires-in", time_given])
    assert stopped.value.code == 2
    assert "is no time: write 12h, 7d or 2w" in capsys.readouterr().err


def test_a_code_that_has_no_effect_is_made_with_a_remark(admin: Admin) -> None:
    done = admin.run("invites", "create")
    assert done.errors == 'registration is "open": a code has no effect until it is "invite"\n'
    invited = admin.run("invites", "create", environ={"CHAT_SERVER_AUTH__REGISTRATION": "invite"})
    assert invited.errors == ""
