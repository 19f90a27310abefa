"""Pebble, the ACME server that Let's Encrypt tests clients with, on the host: it issues what nobody else believes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra_tests.shell import Shell
from tests.doctor.proxy import authority, certificate

DIRECTORY = "https://localhost:14000/dir"
FOLDER = "/var/tmp/pebble"
TRUSTED = "/usr/local/share/ca-certificates/pebble.crt"
UNIT = "pebble"
CONFIGURATION = {
    "pebble": {
        "listenAddress": "127.0.0.1:14000",
        "managementListenAddress": "127.0.0.1:15000",
        "certificate": f"{FOLDER}/localhost.pem",
        "privateKey": f"{FOLDER}/localhost.key",
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
}


@contextmanager
def issuer(shell: Shell, folder: Path) -> Iterator[str]:
    """It runs on the host for the length of the block; gives the address of its directory.

    Names mean there what the host's /etc/hosts says. All of it is gone afterwards, certbot's files included.
    """
    shell.root("apt-get update && apt-get install --yes --no-install-recommends pebble", seconds=180)
    signer = authority(folder)
    pair = certificate(folder, "localhost", by=signer)
    shell.root(f"mkdir -p {FOLDER} && cat >{TRUSTED} && update-ca-certificates", given=signer.certificate.read_text())
    for file in (pair.certificate, pair.key):
        shell.root(f"cat >{FOLDER}/{file.name}", given=file.read_text())
    shell.root(f"cat >{FOLDER}/pebble.json", given=json.dumps(CONFIGURATION))
    try:
        shell.root(
            f"systemd-run --quiet --unit={UNIT} --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0"
            f" pebble -config {FOLDER}/pebble.json"
        )
        shell.root(f"timeout 20 sh -c 'until curl --silent --fail {DIRECTORY}; do sleep 0.1; done'")
        yield DIRECTORY
    finally:
        shell.root(
            f"systemctl stop {UNIT}; apt-get purge --yes pebble certbot; rm -rf {FOLDER} {TRUSTED} /etc/letsencrypt;"
            " update-ca-certificates --fresh",
            seconds=180,
        )
