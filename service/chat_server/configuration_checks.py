"""What a configuration must satisfy beyond its types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from itertools import pairwise
from pathlib import Path
from stat import S_IROTH
from urllib.parse import urlsplit

from chat_server.config import AlertsSection, AuthSection, BackupSection, Config

SHORTEST_SECRET_BYTES = 32
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
SECRET_REMEDY = "put the output of `openssl rand -base64 32` there"  # noqa: S105  no secret, but where to get one

PUBLIC_KEY = re.compile(r"age1[02-9ac-hj-np-z]{58}|ssh-ed25519 [A-Za-z0-9+/]{68}( [!-~ ]*)?")
DESTINATION = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]*@([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):/[A-Za-z0-9_.,+=@/-]*"
)

# Parts of secrets from tutorials, templates and token debuggers, without what stands between the words.
# A random secret contains one of them in fewer than one case in 10,000,000.
WELL_KNOWN = (
    "changeit",
    "changeme",
    "changethis",
    "example",
    "jwtsecret",
    "mysecret",
    "password",
    "placeholder",
    "qwertyuiop",
    "replaceme",
    "replacethis",
    "secretkey",
    "supersecret",
    "yoursecret",
    "256bitsecret",
    "atleast256bits",
)


class Mistake(Exception):  # noqa: N818  it becomes a ConfigurationError as soon as the key's source is known
    """A key's value is of the right type and yet wrong."""

    def __init__(self, section: str, key: str, problem: str, remedy: str) -> None:
        super().__init__(section, key, problem, remedy)
        self.section = section
        self.key = key
        self.problem = problem
        self.remedy = remedy


def check(config: Config) -> None:
    """Raises Mistake for the first value that cannot work."""
    _check_host(config.server.host)
    _check_networks("server", "trusted_proxies", config.server.trusted_proxies)
    _check_networks("rate_limit", "exempt_networks", config.rate_limit.exempt_networks)
    for origin in config.server.cors_origins:
        if origin == "*":
            raise Mistake("server", "cors_origins", 'has "*", which lets every site in', "name the sites")
        _check_origin("cors_origins", origin, "has")
    if config.server.public_url:
        _check_origin("public_url", config.server.public_url, "is")
    if config.database.url:
        raise Mistake("database", "url", 'is given, but type is "sqlite"', "remove it: path names the database file")
    if config.database.path in {"", ":memory:"}:
        raise Mistake("database", "path", "names no file", "give the path of the database file")
    _check_backup(config.backup)
    _check_alerts(config.alerts)
    websocket = config.websocket
    if websocket.heartbeat_timeout_seconds >= websocket.heartbeat_seconds:
        raise Mistake(
            "websocket",
            "heartbeat_timeout_seconds",
            f"is {websocket.heartbeat_timeout_seconds}",
            f"give less than heartbeat_seconds, which is {websocket.heartbeat_seconds}",
        )


def signing_secret(auth: AuthSection) -> str:
    """The secret that signs tokens: `jwt_secret`, or what `jwt_secret_file` holds. Raises Mistake."""
    if auth.jwt_secret and auth.jwt_secret_file:
        raise Mistake("auth", "jwt_secret_file", "and jwt_secret are both given", "remove one of them")
    if auth.jwt_secret_file:
        key, holder = "jwt_secret_file", f"names {auth.jwt_secret_file}, whose secret "
        secret = _secret_in(Path(auth.jwt_secret_file))
    else:
        key, holder = "jwt_secret", ""
        secret = auth.jwt_secret
    problem = weakness(secret)
    if problem:
        raise Mistake("auth", key, holder + problem, SECRET_REMEDY)
    return secret


def weakness(secret: str) -> str:
    """Why somebody could guess this secret, or nothing.

    A server can't measure randomness; this finds what people put there instead of it.
    """
    letters = re.sub(r"[^a-z0-9]", "", secret.lower())
    size = len(secret.encode())
    repeats = any(secret.startswith(secret[period:]) for period in range(1, len(secret) // 2 + 1))
    neighbours = sum(abs(ord(one) - ord(after)) <= 1 for one, after in pairwise(secret))
    if not secret:
        return "is missing"
    if any(words in letters for words in WELL_KNOWN):
        return "is a well-known value"
    if size < SHORTEST_SECRET_BYTES:
        return f"has {size} bytes where {SHORTEST_SECRET_BYTES} are the least"
    if repeats or len(set(secret)) < 8 or neighbours > len(secret) / 2:
        return "is too regular to be random"
    return ""


def shown(value: object, longest: int = 60) -> str:
    """A value as a message may repeat it: on one line, without control characters, not for ever."""
    text = json.dumps(value, default=str)
    return text if len(text) <= longest else f"{text[:longest]}..."


def _secret_in(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as stream:
            readable_by_all = file.stat().st_mode & S_IROTH
            secret = stream.read().strip()
    except OSError as error:
        raise Mistake(
            "auth",
            "jwt_secret_file",
            f"names {file}, which cannot be read: {error.strerror}",
            f"see ls -l {file}",
        ) from None
    except UnicodeDecodeError:
        raise Mistake("auth", "jwt_secret_file", f"names {file}, which is not text", SECRET_REMEDY) from None
    if readable_by_all:
        raise Mistake("auth", "jwt_secret_file", f"names {file}, which everybody can read", f"run chmod o-r {file}")
    return secret


def _check_host(host: str) -> None:
    try:
        ip_address(host)
    except ValueError:
        if not re.fullmatch(r"(?!.*\.[0-9]+$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host):
            raise Mistake(
                "server",
                "host",
                f"is {shown(host)}",
                "give an address or a host name alone, such as 0.0.0.0 or localhost",
            ) from None


def _check_networks(section: str, key: str, networks: Iterable[str]) -> None:
    for network in networks:
        try:
            ip_network(network)
        except ValueError:
            try:
                remedy = f'write "{ip_network(network, strict=False)}"'
            except ValueError:
                remedy = 'write addresses or networks, such as "10.0.0.0/8"'
            raise Mistake(section, key, f"has {shown(network)}, which is no network", remedy) from None


def _check_origin(key: str, origin: str, verb: str) -> None:
    """Origins are compared with what browsers send (RFC 6454, section 6.2), so must be written as they do."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not origin.isascii() or parts.username:
        raise Mistake(
            "server",
            key,
            f"{verb} {shown(origin)}, which is no origin",
            'write it like "https://chat.example.org"',
        )
    default_port = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    as_sent = f"{parts.scheme}://{host}" + (f":{port}" if port not in {None, default_port} else "")
    if origin != as_sent:
        raise Mistake(
            "server", key, f"{verb} {shown(origin)}, which no browser sends as an origin", f'write "{as_sent}"'
        )


def _check_backup(backup: BackupSection) -> None:
    """These become arguments of `age` and `sftp`, where what begins with a dash would be an option."""
    if not backup.directory:
        raise Mistake("backup", "directory", "is empty", "give the directory that backups are kept in")
    if backup.encrypt_to.startswith(("AGE-SECRET-KEY", "-----BEGIN")):  # and so is not repeated
        raise Mistake("backup", "encrypt_to", "is a private key", "give its public key, and keep that one elsewhere")
    if backup.encrypt_to and not PUBLIC_KEY.fullmatch(backup.encrypt_to):
        raise Mistake(
            "backup",
            "encrypt_to",
            f"is {shown(backup.encrypt_to)}, which is no public key",
            'give one of age or SSH, such as "age1..." or "ssh-ed25519 AAAA..."',
        )
    if backup.copy_to and not DESTINATION.fullmatch(backup.copy_to):
        raise Mistake(
            "backup",
            "copy_to",
            f"is {shown(backup.copy_to)}, which is no directory of a host",
            'write it like "chat@backup.example.org:/srv/chat"',
        )
    if not backup.copy_key_file.startswith("/"):
        raise Mistake("backup", "copy_key_file", f"is {shown(backup.copy_key_file)}", "give the file's full path")


def _check_alerts(alerts: AlertsSection) -> None:
    """What is told to whom must not fail for the first time when something is wrong already."""
    for person in alerts.mail_to:
        # It is an argument of sendmail's, where what begins with a dash would be an option.
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._%+-]*(@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?", person):
            raise Mistake(
                "alerts", "mail_to", f"has {shown(person)}, which is no address", 'write it like "admin@example.org"'
            )
    if alerts.webhook_url:
        _check_webhook(alerts.webhook_url)
    if alerts.command and not alerts.command[0].startswith("/"):
        raise Mistake(
            "alerts",
            "command",
            f"begins with {shown(alerts.command[0])}, which is no full path",
            'write it like ["/usr/local/bin/wake-me", "--loudly"]',
        )


def _check_webhook(url: str) -> None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises where it is no number
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not re.fullmatch("[!-~]+", url):
        raise Mistake("alerts", "webhook_url", "is no address", 'write it like "https://hooks.example.org/chat"')
    if parts.username is not None:
        raise Mistake(
            "alerts", "webhook_url", "has a name or password in it", "use command, with a program that signs in"
        )
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise Mistake("alerts", "webhook_url", "sends news through the net for all to read", "write https://")
