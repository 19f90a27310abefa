"""What people may do about their account."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.client import PASSWORD, Person
from tests.server import Server
from tests.web.visitor import Visit, Visitor

OTHER_PASSWORD = "Battery-Staple-8"


def test_with_another_password_other_devices_are_signed_out(ann: Visitor, visit: Visit) -> None:
    phone = visit()
    phone.name = ann.name
    phone.sign_in()
    expect(phone.account).to_be_visible()
    ann.open_account()
    ann.page.get_by_label("Current password").fill(PASSWORD)
    ann.page.get_by_label("New password").fill(OTHER_PASSWORD)
    ann.page.get_by_role("button", name="Change password").click()
    expect(ann.page.get_by_text("The password is changed.")).to_be_visible()
    expect(phone.page.get_by_role("button", name="Sign in")).to_be_visible()
    phone.sign_in(OTHER_PASSWORD)
    expect(phone.account).to_be_visible()


def test_a_weak_password_is_refused_in_words(ann: Visitor) -> None:
    ann.open_account()
    ann.page.get_by_label("Current password").fill(PASSWORD)
    ann.page.get_by_label("New password").fill("weak")
    ann.page.get_by_role("button", name="Change password").click()
    expect(ann.page.get_by_role("alert").filter(has_text="8 characters")).to_be_visible()


def test_another_device_is_listed_and_can_be_signed_out(ann: Visitor, visit: Visit) -> None:
    phone = visit()
    phone.name = ann.name
    phone.sign_in()
    expect(phone.account).to_be_visible()
    ann.open_account()
    devices = ann.page.get_by_label("Devices").get_by_role("listitem")
    expect(devices).to_have_count(2)
    expect(devices.filter(has_text="this device")).to_contain_text("Chrome on Linux")
    devices.get_by_role("button", name="Sign out").click()
    expect(devices).to_have_count(1)
    expect(phone.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_who_is_blocked_can_not_write_until_they_are_unblocked(ann: Visitor, bob: Visitor) -> None:
    ann.find(bob.name)
    ann.page.get_by_role("button", name="Block", exact=True).click()
    ann.page.get_by_role("dialog").get_by_role("button", name="Block").click()
    expect(ann.page.get_by_role("dialog")).to_have_count(0)  # it is done
    bob.page.get_by_label("Find people").fill(ann.name)
    expect(bob.page.get_by_text("Nobody's name begins with")).to_be_visible()
    ann.open_account()
    ann.page.get_by_role("button", name=f"Unblock {bob.name}").click()
    expect(ann.page.get_by_text("You have blocked nobody.")).to_be_visible()
    bob.page.get_by_label("Find people").fill("")
    bob.find(ann.name)
    bob.write("hello again")
    expect(ann.row(bob.name)).to_contain_text("hello again")


def test_the_export_is_a_file_with_everything(ann: Visitor, anna: Person) -> None:
    ann.find(anna.username)
    ann.write("for the record")
    ann.sees_status("for the record", "sent")
    ann.open_account()
    with ann.page.expect_download() as download:
        ann.page.get_by_role("button", name="Export my data").click()
    assert download.value.suggested_filename == f"chat-{ann.name}.json"
    exported = json.loads(download.value.path().read_text())
    assert "for the record" in json.dumps(exported["conversations"])


def test_an_account_is_deleted_only_with_its_password(ann: Visitor, shared_server: Server) -> None:
    ann.open_account()
    ann.page.get_by_role("button", name="Delete my account").click()
    dialog = ann.page.get_by_role("dialog")
    dialog.get_by_label("Password").fill("Wrong-Horse-7")
    dialog.get_by_role("button", name="Delete for ever").click()
    expect(dialog.get_by_role("alert")).to_contain_text("wrong")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Delete for ever").click()
    expect(ann.page.get_by_role("status").filter(has_text="Your account is deleted.")).to_be_visible()
    assert shared_server.client().log_in(ann.name).error == "ACCOUNT_DELETED"
