"""Chapter 8: the log is kept, says enough, and not too much."""

from __future__ import annotations

import re

from infra_tests.shell import Shell
from infra_tests.site import EXECUTABLE, Expected, Site


def test_the_level_is_as_expected(site: Site, expected: Expected) -> None:
    assert site.setting("server", "log_level", "info") == expected["log_level"]


def test_the_service_logs_to_the_journal(shell: Shell) -> None:
    assert "serving" in shell.root("journalctl --quiet --unit=chat-server --output=cat --grep='^chat_server: serving'")


def test_the_journal_outlives_a_reboot_and_has_bounds(shell: Shell, expected: Expected) -> None:
    """What was logged before a crash is what one wants to read; and a log without bounds fills the disk."""
    settings = dict(
        re.findall(r"^(\w+)=(.*)$", shell.root("systemd-analyze cat-config systemd/journald.conf"), re.MULTILINE)
    )
    assert expected["journal"].items() <= settings.items()
    assert settings.get("SystemMaxUse"), settings
    assert shell.types("sudo ls /var/log/journal").code == 0


def test_no_message_and_no_token_is_in_the_log(shell: Shell) -> None:
    """A token is three parts of base64; the first of ours always begins so."""
    assert shell.types("sudo journalctl --quiet --unit=chat-server | grep --count 'eyJhbGciOi'").out.strip() == "0"


def test_what_support_needs_can_be_gathered(shell: Shell) -> None:
    assert shell.types(f"{EXECUTABLE} support-bundle --help").code == 0
    assert shell.types(f"{EXECUTABLE} doctor --help").code == 0
