"""Reading nginx's configuration as nginx does: which location a request meets, and what holds there."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chat_server.operations.doctor import nginx
from chat_server.operations.doctor.report import CannotLookError
from tests.client import Client
from tests.doctor.proxy import MAIN, NGINX, START_SECONDS, wait_for, with_nginx
from tests.server import free_port

Read = Callable[..., nginx.Server]

LOCATIONS = r"""
location / { return 200 root; }
location = / { return 200 exactly-root; }
location /socket { return 200 prefix; }
location = /socket { return 200 exactly; }
location /sock { return 200 shorter; }
location ^~ /static/ { return 200 static; }
location ~ ^/(status|metrics)$ { return 200 pattern; }
location ~* \.JS$ { return 200 script; }
location ~ \.js$ { return 200 later; }
location "/with space" { return 200 quoted; }
location ~ "^/year/\d{4}$" { return 200 braces; }
location @named { return 200 named; }
"""
PATHS = [
    *("/", "/other", "/socket", "/socket/more", "/sockets", "/sock", "/sock/et", "/static/page.js", "/static"),
    *("/status", "/metrics", "/status/more", "/page.js", "/page.JS", "/page.jsx", "/year/2026", "/year/20"),
]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a server block of these lines."""

    def read(lines: str, around: str = "") -> nginx.Server:
        file = tmp_path / "nginx.conf"
        file.write_text(f"events {{}}\nhttp {{\n{around}\nserver {{\n{lines}\n}}\n}}\n")
        [server] = nginx.servers_of(nginx.read(file))
        return server

    return read


@with_nginx
def test_a_path_meets_the_location_that_nginx_chooses(read: Read, tmp_path: Path) -> None:
    port = free_port()
    sites = tmp_path / "sites"
    sites.mkdir()
    (sites / "chat.conf").write_text(f"server {{ listen 127.0.0.1:{port}; {LOCATIONS} }}")
    user = "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "real.conf").write_text(MAIN.format(directory=tmp_path, user=user))
    log = tmp_path / "error.log"
    with subprocess.Popen([str(NGINX), "-c", str(tmp_path / "real.conf"), "-e", str(log)]) as process:
        try:
            wait_for(port, process, log)
            by_nginx = {path: Client("127.0.0.1", port).get(path).body.decode() for path in PATHS}
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(START_SECONDS)
    server = read(LOCATIONS)
    assert {path: location.setting("return")[1] for path in PATHS if (location := server.location(path))} == by_nginx


def test_comments_quotes_and_variables_are_no_structure(read: Read) -> None:
    server = read(
        """
        # location /no { }
        add_header X-One "a; b { c } # d" always;  # and this
        add_header X-Two 'it\\'s';
        set $path ${host}x;
        """
    )
    assert [one.arguments for one in server.block.all("add_header")] == [
        ("X-One", "a; b { c } # d", "always"),
        ("X-Two", "it's"),
    ]
    assert server.block.all("set")[0].arguments == ("$path", "${host}x")
    assert server.locations == []


def test_a_directive_knows_its_file_and_line(read: Read, tmp_path: Path) -> None:
    assert read("\n\nlocation /socket\n{ return 404; }").locations[0].where == f"{tmp_path}/nginx.conf:7"


def test_what_is_included_stands_in_its_place(read: Read, tmp_path: Path) -> None:
    (tmp_path / "b.inc").write_text("location /b { }")
    (tmp_path / "a.inc").write_text("location /a { }")
    server = read(f"include *.inc; include {tmp_path}/missing-*.inc; location /c {{ }}")
    assert [one.scopes[0].arguments for one in server.locations] == [("/a",), ("/b",), ("/c",)]
    assert server.locations[0].where == f"{tmp_path}/a.inc:1"


def test_a_file_that_includes_itself_is_refused(read: Read, tmp_path: Path) -> None:
    (tmp_path / "loop.inc").write_text("include loop.inc;")
    with pytest.raises(CannotLookError, match="includes too much"):
        read("include loop.inc;")


class TestWhatHoldsInALocation:
    def test_a_setting_is_that_of_the_innermost_block(self, read: Read) -> None:
        server = read("proxy_read_timeout 5m; location / { } location /socket { proxy_read_timeout 10s; }")
        waits = [location.setting("proxy_read_timeout") for location in server.locations]
        assert waits == [("5m",), ("10s",)]
        assert server.locations[0].setting("proxy_send_timeout") == ()

    def test_headers_of_outer_blocks_hold_only_where_there_are_none(self, read: Read) -> None:
        server = read(
            """
            proxy_set_header X-Forwarded-For $remote_addr;
            location / { }
            location /socket { proxy_set_header Upgrade $http_upgrade; }
            """
        )
        assert [location.headers() for location in server.locations] == [
            {"x-forwarded-for": "$remote_addr"},
            {"upgrade": "$http_upgrade"},
        ]

    @pytest.mark.parametrize(
        ("passed", "targets"),
        [
            ("http://127.0.0.1:8080", [("127.0.0.1", 8080)]),
            ("http://localhost:8080/", [("localhost", 8080)]),
            ("http://[::1]:8080", [("::1", 8080)]),
            ("http://chat", [("10.0.0.1", 8080), ("10.0.0.2", 80)]),
            ("https://other.example/path", [("other.example", 443)]),
            ("http://$backend", []),
            ("http://unix:/run/chat.sock", []),
        ],
    )
    def test_where_requests_are_passed_on_to(self, read: Read, passed: str, targets: list[tuple[str, int]]) -> None:
        around = "upstream chat { server 10.0.0.1:8080 max_fails=2; server 10.0.0.2; keepalive 64; }"
        [location] = read(f"location / {{ proxy_pass {passed}; }}", around).locations
        assert location.targets() == targets


class TestWhomAServerIsFor:
    @pytest.mark.parametrize(
        ("given", "name", "is_for"),
        [
            ("chat.example.org", "chat.example.org", True),
            ("other.example.org Chat.Example.org", "chat.example.org", True),
            ("*.example.org", "chat.example.org", True),
            ("*.example.org", "example.org", False),
            (".example.org", "example.org", True),
            (".example.org", "chat.example.org", True),
            ("~^chat\\d*\\.example\\.org$", "chat7.example.org", True),
            ("~^chat\\d*\\.example\\.org$", "mail.example.org", False),
            ("_", "chat.example.org", False),
        ],
    )
    def test_names(self, read: Read, given: str, name: str, is_for: bool) -> None:
        assert read(f"server_name {given};").answers_to(name) is is_for

    @pytest.mark.parametrize(
        ("given", "listens"),
        [
            ("listen 443 ssl;", [("", 443)]),
            ("listen [::]:443 ssl http2; listen 80;", [("", 443), ("", 80)]),
            ("listen 127.0.0.1:8443;", [("127.0.0.1", 8443)]),
            ("listen [2001:db8::1]:443;", [("2001:db8::1", 443)]),
            ("listen *:443;", [("", 443)]),
            ("listen unix:/run/nginx.sock;", []),
            ("", [("", 80)]),
        ],
    )
    def test_addresses(self, read: Read, given: str, listens: list[tuple[str, int]]) -> None:
        assert read(given).listens() == listens


@pytest.mark.parametrize(
    ("words", "seconds"),
    [(["60"], 60), (["60s"], 60), (["5m"], 300), (["1h", "30m"], 5400), (["500ms"], 0.5), (["1m30s"], 90), ([], 60)],
)
def test_times(words: list[str], seconds: float) -> None:
    assert nginx.seconds(words, 60) == seconds
