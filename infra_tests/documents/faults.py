"""What the documents' commands are about: each fault by the words of its comment, and how root provokes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra_tests.drills.disposable import overwrite

CONFIG: Final = "/opt/chat-server/config.toml"
DATA: Final = "/var/lib/chat-server"
OLD_DATABASE: Final = f"{DATA}/chat.db.replaced-20250101-000000"
SITE: Final = "/etc/nginx/sites-available/chat-server"
"""Where the documents have nginx's configuration; replaced by where the host has it."""

START: Final = "systemctl reset-failed chat-server; systemctl restart chat-server || true"
WORDS: Final = r"""
await() { for i in $(seq 300); do ! eval "$1" || return 0; sleep 0.1; done; echo "never: $1"; exit 1; }
configure() { sed -i -e "/^$2 = /d" -e "s/^\[$1\]/&\n$2 = $3/" /opt/chat-server/config.toml; }
remember() { cp -a /opt/chat-server/config.toml /root/config.before; }
forget() { mv /root/config.before /opt/chat-server/config.toml; }
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """Scripts for root's bash, which know WORDS. `mends` is run when the section is over."""

    breaks: str
    mends: str = ""


MUTE_CLIENT: Final = r"""
import base64, json, os, socket, sys
line = socket.create_connection(("127.0.0.1", 8080))
key = base64.b64encode(os.urandom(16)).decode()
line.sendall((f"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nAuthorization: Bearer {sys.argv[1]}\r\n\r\n").encode())
while line.recv(4096):
    pass
"""

DOCTOR: Final = "chat-server-doctor.timer chat-server-doctor.service"
"""It opens the database once an hour, which then can't be unmounted."""

MANY_MESSAGES: Final = r"""
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
ids = [db.execute("SELECT id FROM users WHERE username = ?", (name,)).fetchone()[0] for name in ("alice", "bob")]
conversation, last = db.execute(
    "SELECT id, last_seq FROM conversations WHERE user1_id = ? AND user2_id = ?", sorted(ids)).fetchone()
now, count = time.time_ns() // 1_000_000, 20_000
db.execute("BEGIN IMMEDIATE")
db.executemany(
    "INSERT INTO messages (conversation_id, seq, client_id, sender_id, content, created_at) VALUES (?, ?, ?, ?, ?, ?)",
    ((conversation, last + i, f"many-{last + i}", ids[i % 2], "what a day " * 9, now) for i in range(1, count + 1)))
db.execute("UPDATE conversations SET last_seq = ?, last_message_at = ? WHERE id = ?", (last + count, now, conversation))
db.execute("COMMIT")
"""

LOG_IN: Final = 'curl -sS http://localhost:8080/auth/login --json \'{"username":"%s","password":"Correct-Horse-7"}\''

FAULTS: Final[Mapping[str, Fault]] = {
    "another program listens on 8080": Fault(
        "systemctl stop chat-server; systemd-run --quiet --unit=other.service python3 -m http.server 8080;"
        f"await 'ss -Hltn sport = :8080 | grep -q .'; {START}",
        "systemctl stop other.service || true",
    ),
    "the database belongs to root": Fault(f"systemctl stop chat-server; chown root:root {DATA}/chat.db; {START}"),
    "a key of the configuration is misspelt": Fault(f"sed -i 's/^port = /prot = /' {CONFIG}; {START}"),
    "the secret is missing": Fault(f"sed -i '/^jwt_secret/d' {CONFIG}; {START}"),
    "the service may not read its configuration": Fault(f"chmod 600 {CONFIG}; chown root:root {CONFIG}; {START}"),
    "a library is gone": Fault(f"rm -r /opt/chat-server/lib/msgspec; {START}"),
    "the memory is too little": Fault(
        "mkdir -p /etc/systemd/system/chat-server.service.d;"
        "printf '[Service]\\nLimitAS=80M\\n' >/etc/systemd/system/chat-server.service.d/memory.conf;"
        f"systemctl daemon-reload; {START}"
    ),
    "the disk is full": Fault(
        f"systemctl stop chat-server {DOCTOR}; kept=$(mktemp -d); cp -a {DATA}/. $kept;"
        f"mount -t tmpfs -o size=32m,mode=700,uid=$(id -u chat-server),gid=$(id -g chat-server) tmpfs {DATA};"
        f"mountpoint --quiet {DATA} || exit 1;"  # else it would fill the disk of whoever runs the tests
        f"cp -a $kept/. {DATA}; rm -r $kept; {START};"
        f"dd if=/dev/zero of={OLD_DATABASE} bs=1M count=64 status=none 2>/dev/null || true;"
        f"touch -d '60 days ago' {OLD_DATABASE}",
        f"systemctl stop chat-server; kept=$(mktemp -d); cp -a {DATA}/. $kept; umount {DATA} || exit 1;"
        f"cp -a $kept/chat.db {DATA}; rm -r $kept; systemctl start chat-server-doctor.timer; {START}",
    ),
    "the database is damaged": Fault(
        f"systemctl stop chat-server; python3 -c '{MANY_MESSAGES}' {DATA}/chat.db;"
        f"systemctl start chat-server; chat-server backup; systemctl stop chat-server;"
        f"page=$(($(stat -c %s {DATA}/chat.db) / 4096 - 100));"  # of these short messages: no page there is an overflow
        f"{overwrite(f'{DATA}/chat.db', page='$page', pages=4)}; {START}"
    ),
    "the firewall denies 443": Fault("ufw insert 1 deny 443"),
    "nginx does not upgrade": Fault(
        f"sed -i '/location = .socket/,/}}/{{/Upgrade\\|Connection\\|http_version/d}}' {SITE}; systemctl reload nginx"
    ),
    "nginx cuts idle sockets": Fault(
        f"sed -i -E 's/proxy_(read|send)_timeout .*;/proxy_\\1_timeout 10s;/' {SITE}; systemctl reload nginx"
    ),
    "a client answers no PING": Fault(
        "remember; configure websocket heartbeat_timeout_seconds 1; configure websocket heartbeat_seconds 2;"
        f"{START};"
        f"python3 -c '{MUTE_CLIENT}' \"$({LOG_IN % 'bob'} | jq -r .token)\";"
        f"forget; {START}"
    ),
    "alice has guessed too often": Fault(
        "for i in 1 2 3 4 5; do curl -sS -o /dev/null http://localhost:8080/auth/login"
        ' --json \'{"username":"alice","password":"Wrong-Horse-8"}\'; done;'
        f"{LOG_IN % 'alice'} | grep RATE_LIMITED"
    ),
    "an account was deleted": Fault(
        "chat-server users create former --generate >/dev/null && chat-server users delete former --yes || true"
    ),
    "a forgotten shell holds the database": Fault(
        "systemd-run --quiet --unit=drill-shell --"
        f" sh -c '(echo BEGIN IMMEDIATE\\;; exec sleep 600) | sqlite3 -cmd \".timeout 10000\" {DATA}/chat.db';"
        f'await \'! sqlite3 -cmd ".timeout 0" {DATA}/chat.db "BEGIN IMMEDIATE; ROLLBACK" 2>/dev/null\'',
        "systemctl stop drill-shell || true",
    ),
    "the server was killed": Fault(
        "pid=$(systemctl show --value --property MainPID chat-server); kill -KILL $pid;"
        "await '! systemctl show --value --property MainPID chat-server | grep -qx $pid';"
        "await 'systemctl is-active --quiet chat-server'"
    ),
    "mallory is signed in": Fault(f"{LOG_IN % 'mallory'} | grep token"),
    "a query is slow": Fault(
        f"systemctl stop chat-server; python3 -c '{MANY_MESSAGES}' {DATA}/chat.db;"
        f"remember; configure database slow_query_ms 1; {START};"
        f"token=$({LOG_IN % 'bob'} | jq -r .token);"
        'curl -sS -o /dev/null -H "Authorization: Bearer $token" http://localhost:8080/user/me/export;'
        f"forget; {START}"
    ),
    "an index is missing": Fault(f"sqlite3 {DATA}/chat.db 'DROP INDEX idx_messages_conversation_id'"),
    "another host takes the copies": Fault(
        "apt-get -qq install --yes age >/dev/null 2>&1; echo '127.0.0.1 backup.example.org' >>/etc/hosts",
        "userdel --remove chat-copies 2>/dev/null || true; rm -rf /srv/chat /opt/chat-server/{backup_key*,known_hosts};"
        'rm -f "$(getent passwd "$SUDO_USER" | cut -d: -f6)"/chat-{backups.key,fetched.db.age}',
    ),
    "somebody uses it": Fault(
        "systemd-run --quiet --unit=drill-visitor --"
        " sh -c 'while curl -sS -o /dev/null http://localhost:8080/health; do sleep 0.2; done'",
        "systemctl stop drill-visitor || true",
    ),
}
