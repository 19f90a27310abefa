"""What a host is like, in so many lines that two of them show what has changed between."""

from __future__ import annotations

from infra_tests.shell import Shell

# The service's people may write meanwhile, so of the database its form is taken, not its rows; and what a connection
# leaves behind by itself, such as the time of a login, is nowhere in it.
LINES = r"""
cd /
find etc opt/chat-server usr/local root var/spool/cron -xdev -type f -exec sha256sum {} + | sort -k 2
find etc opt/chat-server var/lib/chat-server var/backups/chat-server -xdev ! -name '*-wal' ! -name '*-shm' \
    -printf '%M %u:%g %p -> %l\n' | sort
find var/backups/chat-server -type f -printf '%s %T@ %p\n' | sort
dpkg-query --show
systemctl list-unit-files --no-legend
systemctl list-units --all --no-legend --plain --type=service,socket,timer,mount \
    | awk '!/^(user|session|run-|systemd-|chat-server-(doctor|alert)\.service)/ {print $1, $3}'
systemctl show chat-server nginx cron --property Id,MainPID,NRestarts,ExecMainStartTimestamp
iptables-save | sed 's/\[[0-9]*:[0-9]*\]//; /^#/d'
sqlite3 -readonly /var/lib/chat-server/chat.db .schema
"""


def fingerprint(shell: Shell) -> list[str]:
    """The host as it is now: its files outside the service's data, packages, units, processes, firewall."""
    return shell.root(LINES).splitlines()
