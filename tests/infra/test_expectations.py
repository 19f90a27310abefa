"""What is expected of a host: ours, and over it what its owner says."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_tests.site import expectations


def test_an_owner_changes_single_expectations(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("firewall: {allowed: [22]}\nproxy: {enabled: false}\nregistration: invite\n")
    expected, ours = expectations(own), expectations(None)
    assert expected["firewall"] == {"allowed": [22]}
    assert expected["proxy"] == {**ours["proxy"], "enabled": False}
    assert expected["registration"] == "invite"
    assert expected["unit"] == ours["unit"]


def test_a_typo_is_named(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("firewal: {allowed: [22]}\n")
    with pytest.raises(ValueError, match="firewal"):
        expectations(own)
