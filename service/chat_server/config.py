"""The configuration's types: one frozen Struct per section of config.toml.

Field names are the keys, defaults are the defaults; docs/configuration.md and config.example.toml are held
to this file by tests. What `configuration.load` returns is checked beyond these types: networks and origins
are valid, and `auth.jwt_secret` is there and strong, wherever it came from.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

LogLevel = Literal["error", "warn", "info", "debug", "trace"]
Registration = Literal["open", "invite", "closed"]

# Values of these are never repeated where others may read it: the journal, a support bundle.
SECRETS = {("auth", "jwt_secret"), ("database", "url"), ("alerts", "webhook_url")}

Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Bytes = Annotated[int, Meta(ge=1, le=2**50)]
Seconds = Annotated[int, Meta(ge=1, le=10 * 365 * 24 * 3600)]


class ServerSection(Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "0.0.0.0"  # noqa: S104  every interface, as the guide's chapter 7 expects; the firewall decides
    port: Annotated[int, Meta(ge=1, le=65535)] = 8080
    log_level: LogLevel = "info"
    log_format: Literal["auto", "text", "journal", "json"] = "auto"
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    public_url: str = ""


class DatabaseSection(Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["sqlite"] = "sqlite"
    path: str = "/var/lib/chat-server/chat.db"
    url: str = ""
    readers: Annotated[int, Meta(ge=1, le=32)] = 4
    slow_query_ms: Positive = 200
    busy_timeout_seconds: Seconds = 30
    large_bytes: Bytes = 10 * 2**30


class AuthSection(Struct, frozen=True, forbid_unknown_fields=True):
    jwt_secret: str = ""
    jwt_secret_file: str = ""
    token_expiry_seconds: Seconds = 3600
    session_idle_seconds: Seconds = 30 * 24 * 3600
    registration: Registration = "open"
    password_threads: Annotated[int, Meta(ge=1, le=16)] = 1
    password_queue: Positive = 64
    password_memory_kib: Annotated[int, Meta(ge=1024, le=1048576)] = 65536
    password_iterations: Annotated[int, Meta(ge=1, le=20)] = 3

    def __repr__(self) -> str:
        """Without the secret: a Config may end up in a log line or a traceback."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "jwt_secret"}
        return f"AuthSection(jwt_secret=..., {', '.join(f'{name}={value!r}' for name, value in fields.items())})"


class RateLimitSection(Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool = True
    max_requests_per_minute: Positive = 1000
    max_auth_attempts: Positive = 5
    auth_window_seconds: Seconds = 15 * 60
    max_auth_attempts_per_username: Positive = 100
    max_auth_attempts_per_address: Positive = 100
    messages_per_minute: Positive = 100
    burst: Positive = 20
    frames_per_minute: Positive = 600
    exempt_networks: tuple[str, ...] = ()


class LimitsSection(Struct, frozen=True, forbid_unknown_fields=True):
    max_connections: Positive = 10_000
    max_connections_per_user: Positive = 20
    max_http_connections: Positive = 1_000
    max_body_bytes: Annotated[int, Meta(ge=1024, le=1_000_000_000)] = 65536
    max_frame_bytes: Annotated[int, Meta(ge=61440, le=1_000_000_000)] = 65536
    request_timeout_seconds: Seconds = 10
    keepalive_seconds: Seconds = 75
    outbound_queue_bytes: Annotated[int, Meta(ge=131072, le=1_000_000_000)] = 1_048_576
    stalled_seconds: Seconds = 15
    unacknowledged_messages: Annotated[int, Meta(ge=1, le=10_000)] = 256
    search_ms: Positive = 250
    disk_warning_percent: Annotated[int, Meta(ge=1, le=100)] = 80


class WebSocketSection(Struct, frozen=True, forbid_unknown_fields=True):
    heartbeat_seconds: Seconds = 25
    heartbeat_timeout_seconds: Seconds = 5


class BackupSection(Struct, frozen=True, forbid_unknown_fields=True):
    directory: str = "/var/backups/chat-server"
    keep_days: Annotated[int, Meta(ge=1, le=3650)] = 30
    encrypt_to: str = ""
    copy_to: str = ""
    copy_port: Annotated[int, Meta(ge=1, le=65535)] = 22
    copy_key_file: str = "/opt/chat-server/backup_key"


class AlertsSection(Struct, frozen=True, forbid_unknown_fields=True):
    mail_to: tuple[str, ...] = ()
    webhook_url: str = ""
    command: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the address: who knows it can often post there."""
        return f"AlertsSection(mail_to={self.mail_to!r}, webhook_url=..., command={self.command[:1]!r}...)"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """All of config.toml. `load` in configuration.py makes one; nothing else does, but tests."""

    server: ServerSection = ServerSection()
    database: DatabaseSection = DatabaseSection()
    auth: AuthSection = AuthSection()
    rate_limit: RateLimitSection = RateLimitSection()
    limits: LimitsSection = LimitsSection()
    websocket: WebSocketSection = WebSocketSection()
    backup: BackupSection = BackupSection()
    alerts: AlertsSection = AlertsSection()
