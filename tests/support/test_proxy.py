"""nginx's configuration in a bundle: what a chat's way depends on is shown, and what could be secret is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat_server.operations.doctor import nginx
from chat_server.operations.support import proxy

CONFIGURATION = """\
# canary-comment
http {
    map $http_upgrade $connection_upgrade { default upgrade; '' close; }
    map $http_x_key $allowed { "canary-map" 1; }
    limit_conn_zone $binary_remote_addr zone=addr:10m;
    server {
        listen 443 ssl;
        server_name chat.example.org;
        ssl_certificate /etc/ssl/chat.pem;
        set $token "canary-set";
        if ($http_x_key = "canary-if") { return 200 "canary-return"; }
        location /socket {
            proxy_pass http://127.0.0.1:8080/?key=canary-query;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Authorization "Basic canary-header";
            proxy_read_timeout 300s;
            add_header Strict-Transport-Security "max-age=63072000";
            secure_link_md5 "canary-md5";
        }
        location /lua { content_by_lua_block { local x = "canary-lua" } }
    }
}
"""


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is shown of that configuration, which the usual nginx of the host would have."""
    file = tmp_path / "nginx.conf"
    file.write_text(CONFIGURATION)
    monkeypatch.setattr(nginx, "masters", lambda: [file])
    return proxy.shown()


@pytest.mark.parametrize(
    "line",
    [
        "map $http_upgrade $connection_upgrade { default upgrade; '' close; }",
        "limit_conn_zone $binary_remote_addr zone=addr:10m;",
        "listen 443 ssl;",
        "server_name chat.example.org;",
        "location /socket {",
        "proxy_pass http://127.0.0.1:8080/?***;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Authorization ***;",
        "proxy_read_timeout 300s;",
        "add_header Strict-Transport-Security max-age=63072000;",
        "return 200 ***;",
    ],
)
def test_what_a_chat_depends_on_is_shown(shown: str, line: str) -> None:
    assert line in {shown_line.strip() for shown_line in shown.splitlines()}


def test_what_could_be_secret_is_not_shown(shown: str) -> None:
    assert CONFIGURATION.count("canary") == 9
    assert "canary" not in shown
