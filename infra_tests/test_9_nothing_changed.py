"""After all that was looked at: the host is as it was before."""

from __future__ import annotations

from infra_tests.fingerprint import fingerprint
from infra_tests.shell import Shell


def test_the_verification_has_changed_nothing(shell: Shell, before: list[str]) -> None:
    after = fingerprint(shell)
    assert sorted(set(after) ^ set(before)) == []
