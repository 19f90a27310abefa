"""Where the certificate comes from: one that is given is taken if it is good; one is issued, and renewed."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra_tests.drills.disposable import wait_for
from infra_tests.playbooks.acme import issuer
from infra_tests.provisioning import DOMAIN, play
from infra_tests.shell import Shell
from tests.doctor.proxy import Pair, authority, certificate

AS_INSTALLED = {"chat_server_deb": ""}
"""Whichever version is there."""


@pytest.fixture(scope="module", autouse=True)
def given_back(inventory: Path) -> Iterator[None]:
    """At the end the host has the certificate that it was provisioned with."""
    yield
    assert play("site.yml", inventory, extra=AS_INSTALLED).code == 0


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return authority(tmp_path_factory.mktemp("signer"))


def given(chain: str, key: str) -> dict[str, object]:
    return {
        **AS_INSTALLED,
        "chat_proxy_tls": "provided",
        "chat_proxy_certificate": chain,
        "chat_proxy_certificate_key": key,
    }


def shown(shell: Shell) -> str:
    """The certificate that nginx shows."""
    return ssl.get_server_certificate((shell.address, 443))


def test_a_certificate_that_is_given_is_the_one_that_clients_are_shown(
    shell: Shell, inventory: Path, signer: Pair, tmp_path: Path
) -> None:
    own = certificate(tmp_path, DOMAIN, by=signer)
    variables = given(own.certificate.read_text() + signer.certificate.read_text(), own.key.read_text())
    played = play("site.yml", inventory, "--diff", extra=variables)
    assert played.code == 0, played.text
    wait_for("its certificate", lambda: shown(shell) == own.certificate.read_text())
    assert own.key.read_text().splitlines()[1] not in played.text
    again = play("site.yml", inventory, extra=variables)
    assert (again.code, again.changed) == (0, 0), again.text


@pytest.mark.parametrize("fault", ["the key of another", "an expired one", "no certificate"])
def test_a_bad_one_is_refused_in_words_and_nginx_goes_on(
    fault: str, shell: Shell, inventory: Path, signer: Pair, tmp_path: Path
) -> None:
    own = certificate(tmp_path, DOMAIN, by=signer, days=-1 if fault == "an expired one" else 90)
    other = certificate(tmp_path, "other.example.org", by=signer)
    key = other.key if fault == "the key of another" else own.key
    text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" if fault == "no certificate" else ""
    before = shown(shell)
    played = play("site.yml", inventory, "--diff", extra=given(text or own.certificate.read_text(), key.read_text()))
    assert played.code != 0
    assert "chat_proxy_certificate and chat_proxy_certificate_key are not taken" in " ".join(played.text.split())
    assert key.read_text().splitlines()[1] not in played.text
    assert shown(shell) == before


def signed_by(pem: str) -> str:
    """The issuer of a certificate."""
    line = ["openssl", "x509", "-noout", "-issuer"]
    return subprocess.run(line, input=pem, capture_output=True, text=True, check=True).stdout


def test_an_acme_server_issues_one_which_is_renewed_and_taken_over(
    shell: Shell, inventory: Path, tmp_path: Path
) -> None:
    with issuer(shell, tmp_path) as directory:
        variables = {
            **AS_INSTALLED,
            "chat_proxy_tls": "letsencrypt",
            "chat_proxy_letsencrypt_email": "admin@example.org",
            "chat_proxy_letsencrypt_server": directory,
        }
        played = play("site.yml", inventory, extra=variables)
        assert played.code == 0, played.text
        wait_for("Pebble's certificate", lambda: "Pebble" in signed_by(shown(shell)))
        issued = shown(shell)
        assert shell.root("systemctl show --value --property ActiveState certbot.timer").strip() == "active"
        again = play("site.yml", inventory, extra=variables)
        assert (again.code, again.changed) == (0, 0), again.text

        shell.root("certbot renew --quiet --force-renewal --no-random-sleep-on-renew", seconds=120)
        wait_for("nginx shows the new one", lambda: shown(shell) != issued)
        assert "Pebble" in signed_by(shown(shell))


def test_a_name_that_leads_elsewhere_gets_none_and_nginx_goes_on(shell: Shell, inventory: Path, tmp_path: Path) -> None:
    with issuer(shell, tmp_path) as directory:
        variables = {
            **AS_INSTALLED,
            "chat_proxy_domain": "elsewhere.example.test",
            "chat_proxy_tls": "letsencrypt",
            "chat_proxy_letsencrypt_email": "admin@example.org",
            "chat_proxy_letsencrypt_server": directory,
        }
        played = play("site.yml", inventory, extra=variables)
        assert played.code != 0
        told, _, by_certbot = " ".join(played.text.split()).partition("certbot says: ")
        assert "There is no certificate for elsewhere.example.test yet" in told
        assert "lookup elsewhere.example.test" in by_certbot
        assert "CN = elsewhere.example.test" in signed_by(shown(shell)), "by itself"
