"""A real nginx before a real server, on loopback: started by hand, and ended by its process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server import Server, free_port, running_server

TOOLS = Path(__file__).parents[2] / "build/tools/usr/sbin"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:{TOOLS}")
START_SECONDS = 10

with_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is missing; install it: apt install nginx")

MAIN = """
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxied;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include sites/*.conf;
}}
"""

SITE = """
upstream chat {{
    server 127.0.0.1:{upstream};
}}
server {{
    listen 127.0.0.1:{port} ssl;
    server_name localhost chat.test;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    proxy_http_version 1.1;
    {everywhere}
    location / {{
        proxy_pass http://chat;
        {forwarded}
        {page}
    }}
    location = /socket {{
        proxy_pass http://chat;
        {forwarded}
        {socket}
    }}
}}
"""
FORWARDED = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
UPGRADE = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


def certificate(directory: Path, *names: str, days: int = 90, by: Pair | None = None) -> Pair:
    """A certificate for these names, signed by another or by itself, that ends in so many days from now."""
    made = Pair(directory / f"{names[0]}.pem", directory / f"{names[0]}.key")
    request = directory / "request.pem"
    extension = directory / "extension"
    extension.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(made.key)]
    _openssl("req", *key, "-subj", f"/CN={names[0]}", "-out", str(request))
    signer = ["-CA", str(by.certificate), "-CAkey", str(by.key)] if by else ["-signkey", str(made.key)]
    dated = ["-days", str(days), "-extfile", str(extension), "-out", str(made.certificate)]
    _openssl("x509", "-req", "-in", str(request), *signer, *dated)
    return made


def authority(directory: Path) -> Pair:
    """Somebody who signs certificates."""
    made = Pair(directory / "authority.pem", directory / "authority.key")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(made.key)]
    _openssl("req", "-x509", *key, "-subj", "/CN=authority", "-days", "90", "-out", str(made.certificate))
    return made


@dataclass(frozen=True)
class Proxied:
    """A server that people reach at https://localhost:PORT, once a test has started an nginx there."""

    server: Server
    port: int
    directory: Path

    @property
    def config(self) -> Path:
        return self.server.config

    @contextmanager
    def nginx(
        self,
        *,
        upstream: int = 0,
        shows: Pair | None = None,
        forwarded: str = FORWARDED,
        socket: str = UPGRADE,
        page: str = "",
        everywhere: str = "",
    ) -> Iterator[Path]:
        """nginx with TLS for the length of the block; gives the file of its server block.

        The texts are lines of configuration for both locations, for that of /socket, for `/`, and for all.
        """
        assert NGINX
        home = Path(tempfile.mkdtemp(dir=self.directory))
        shown = shows or certificate(home, "localhost")
        (home / "sites").mkdir()
        user = "user root;" if os.geteuid() == 0 else ""
        (home / "nginx.conf").write_text(MAIN.format(directory=home, user=user))
        site = home / "sites" / "chat.conf"
        site.write_text(
            SITE.format(
                port=self.port,
                upstream=upstream or self.server.port,
                everywhere=everywhere,
                forwarded=forwarded,
                socket=socket,
                page=page,
                certificate=shown.certificate,
                key=shown.key,
            )
        )
        log = home / "error.log"
        with subprocess.Popen([NGINX, "-c", str(home / "nginx.conf"), "-e", str(log)]) as process:
            try:
                wait_for(self.port, process, log)
                yield site
            finally:
                process.send_signal(signal.SIGQUIT)
                process.wait(START_SECONDS)


@contextmanager
def proxied_server(directory: Path, **server: object) -> Iterator[Proxied]:
    """A server that knows of its proxy, with more keys of its [server] section."""
    port = free_port()
    known = {"public_url": f"https://localhost:{port}", "trusted_proxies": ["127.0.0.1"]}
    with running_server(directory, server={**known, **server}) as running:
        yield Proxied(running, port, directory)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until nginx listens."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
