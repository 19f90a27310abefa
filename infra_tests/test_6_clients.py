"""Chapter 6: a client finds the server, by its name and with a certificate."""

from __future__ import annotations

import pytest

from infra_tests.site import Expected, Site


def test_the_page_is_served(site: Site) -> None:
    answer = site.inside("/")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src" in answer.headers["content-security-policy"]


def test_health_is_for_everybody_by_the_public_name(site: Site, expected: Expected) -> None:
    if not expected["proxy"]["enabled"]:
        pytest.skip("no proxy is expected: expectations, proxy, enabled")
    answer = site.outside("/health", method="HEAD")
    assert answer.status == 200
    assert site.outside("/health").json["status"] == "healthy"
