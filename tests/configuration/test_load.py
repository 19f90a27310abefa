"""Loading the file and the environment: what is accepted, and the one line that refuses the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat_server.config import Config
from chat_server.configuration import ConfigurationError, default_path, load

SECRET = "q0mXW3v1mBf8Zq7bPp1zYcK5u0Jr9sTtGdEoLhNxVwA="
AUTH = f'[auth]\njwt_secret = "{SECRET}"\n'


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., Config]:
    """Loads a file with this text, and these environment variables."""

    def load_text(text: str, **environ: str) -> Config:
        file = tmp_path / "config.toml"
        file.write_text(text)
        return load(file, environ)

    return load_text


@pytest.fixture
def refusal(loaded: Callable[..., Config], tmp_path: Path) -> Callable[..., str]:
    """The message that refuses such a configuration, without the directory's name."""

    def refuse(text: str, **environ: str) -> str:
        with pytest.raises(ConfigurationError) as caught:
            loaded(text, **environ)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refuse


def test_a_secret_is_all_that_must_be_given(loaded: Callable[..., Config]) -> None:
    config = loaded(AUTH)
    assert config.auth.jwt_secret == SECRET
    assert config.server == Config().server
    assert config.auth.registration == "open"


def test_values_of_the_file_replace_defaults(loaded: Callable[..., Config]) -> None:
    config = loaded(AUTH + '[server]\nport = 81\ntrusted_proxies = ["10.0.0.0/8"]\n[rate_limit]\nenabled = false\n')
    assert (config.server.port, config.server.trusted_proxies) == (81, ("10.0.0.0/8",))
    assert config.rate_limit.enabled is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[server]\nport = 99999", "[server] port is 99999; give a whole number from 1 to 65535"),
        ("[server]\nport = 0", "[server] port is 0; give a whole number from 1 to 65535"),
        ('[server]\nport = "8080"', '[server] port is "8080"; give a whole number from 1 to 65535'),
        ("[server]\nport = true", "[server] port is true; give a whole number from 1 to 65535"),
        ("[rate_limit]\nenabled = 1", "[rate_limit] enabled is 1; give true or false"),
        (
            '[auth]\nregistration = "all"',
            '[auth] registration is "all"; give "closed" or "invite" or "open"',
        ),
        (
            '[server]\ntrusted_proxies = "10.0.0.1"',
            '[server] trusted_proxies is "10.0.0.1"; give a list of texts, such as ["first", "second"]',
        ),
        ("[database]\npath = 7", "[database] path is 7; give a text in quotes"),
        ("[server]\nprot = 1", "[server] prot is no key; did you mean port?"),
        ('[server]\njwt_secret = "x"', "[server] jwt_secret is no key; it belongs to [auth]"),
        ('[backup]\nxyz = "x"', "[backup] xyz is no key; [backup] has directory, keep_days, encrypt_to"),
        ('[server]\n"a\\nb" = 1', '[server] "a\\nb" is no key; [server] has host, port, log_level, '),
        ("[sever]\nport = 1", "[sever] is no section; did you mean [server]?"),
        ("[zzz]\nport = 1", "[zzz] is no section; there are server, database, auth, "),
        ("port = 8080", "port stands in no section; write it below [server]"),
        ("server = 1", "server is 1; it is a section: write [server] and its keys below"),
        ("[server]\nport = \n", "line 2, column 8: Invalid value; correct that line"),
        ('[server]\nhost = "::', "line 2, the last: Unterminated string; correct that line"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_key_and_remedy(
    refusal: Callable[..., str], text: str, message: str
) -> None:
    said = refusal(text)
    assert said.startswith(f"config.toml: {message}")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[server]\nhost = "0.0.0.0:80"',
            '[server] host is "0.0.0.0:80"; give an address or a host name alone',
        ),
        (
            '[server]\nhost = "300.1.1.1"',
            '[server] host is "300.1.1.1"; give an address or a host name alone',
        ),
        ('[server]\nhost = ""', '[server] host is ""; give an address'),
        (
            '[server]\ntrusted_proxies = ["::1", "10.0.0.1/8"]',
            '[server] trusted_proxies has "10.0.0.1/8", which is no network; write "10.0.0.0/8"',
        ),
        (
            '[rate_limit]\nexempt_networks = ["localhost"]',
            '[rate_limit] exempt_networks has "localhost", which is no network; write addresses or networks',
        ),
        (
            '[server]\ncors_origins = ["*"]',
            '[server] cors_origins has "*", which lets every site in; name the sites',
        ),
        (
            '[server]\ncors_origins = ["chat.example.org"]',
            '[server] cors_origins has "chat.example.org", which is no origin; write it like',
        ),
        (
            '[server]\ncors_origins = ["https://Chat.example.org:443/"]',
            'which no browser sends as an origin; write "https://chat.example.org"',
        ),
        (
            '[server]\ncors_origins = ["https://a.example:99999"]',
            '[server] cors_origins has "https://a.example:99999", which is no origin',
        ),
        (
            '[server]\npublic_url = "chat.example.org"',
            '[server] public_url is "chat.example.org", which is no origin; write it like "https://chat.example.org"',
        ),
        (
            '[server]\npublic_url = "https://chat.example.org/chat"',
            'which no browser sends as an origin; write "https://chat.example.org"',
        ),
        (
            '[database]\nurl = "postgresql:///chat"',
            '[database] url is given, but type is "sqlite"; remove it',
        ),
        ('[database]\npath = ":memory:"', "[database] path names no file; give the path"),
        ('[backup]\ndirectory = ""', "[backup] directory is empty; give the directory"),
        ('[backup]\nencrypt_to = "-i/etc/shadow"', '[backup] encrypt_to is "-i/etc/shadow", which is no public key'),
        ('[backup]\nencrypt_to = "AGE-SECRET-KEY-1QQ"', "[backup] encrypt_to is a private key; give its public key"),
        ('[backup]\ncopy_to = "-oProxyCommand=x@h:/"', '[backup] copy_to is "-oProxyCommand=x@h:/", which is no dir'),
        ('[backup]\ncopy_to = "h:/srv"', '[backup] copy_to is "h:/srv", which is no directory of a host; write'),
        ('[backup]\ncopy_to = "me@h:srv"', '[backup] copy_to is "me@h:srv", which is no directory of a host'),
        ('[backup]\ncopy_to = "me@h:/a b\\n!x"', "which is no directory of a host"),
        ('[backup]\ncopy_key_file = "key"', '[backup] copy_key_file is "key"; give the file\'s full path'),
        (
            "[websocket]\nheartbeat_seconds = 5",
            "[websocket] heartbeat_timeout_seconds is 5; give less than heartbeat_seconds, which is 5",
        ),
        ('[alerts]\nmail_to = ["-oQ/tmp"]', '[alerts] mail_to has "-oQ/tmp", which is no address; write it like'),
        ('[alerts]\nmail_to = ["a b"]', '[alerts] mail_to has "a b", which is no address'),
        ('[alerts]\ncommand = ["wake-me"]', '[alerts] command begins with "wake-me", which is no full path'),
        ('[alerts]\nwebhook_url = "hooks.example.org"', "[alerts] webhook_url is no address; write it like"),
        ('[alerts]\nwebhook_url = "https://a:99999"', "[alerts] webhook_url is no address"),
        ('[alerts]\nwebhook_url = "https://a/b\\r\\nc"', "[alerts] webhook_url is no address"),
        (
            '[alerts]\nwebhook_url = "http://hooks.example.org"',
            "webhook_url sends news through the net for all to read",
        ),
        ('[alerts]\nwebhook_url = "https://me:pw@a.example"', "[alerts] webhook_url has a name or password in it"),
    ],
)
def test_a_value_that_cannot_work_is_refused(refusal: Callable[..., str], text: str, message: str) -> None:
    said = refusal(AUTH + text)
    assert said.startswith("config.toml: [")
    assert message in said


@pytest.mark.parametrize(
    "text",
    [
        '[server]\nhost = "::"',
        '[server]\nhost = "chat-1.example.org"',
        '[server]\ntrusted_proxies = ["10.0.0.0/8", "127.0.0.1", "2001:db8::/32", "::1"]',
        '[server]\ncors_origins = ["https://chat.example.org", "http://localhost:3000", "http://[::1]:3000"]',
        '[server]\npublic_url = "https://chat.example.org"',
        f'[backup]\nencrypt_to = "age1{"q" * 58}"\ncopy_to = "chat-1@backup.example.org:/srv/chat_1"',
        f'[backup]\nencrypt_to = "ssh-ed25519 {"A" * 68} ann@laptop"\ncopy_to = "chat@[2001:db8::1]:/"',
        '[alerts]\nmail_to = ["root", "night.shift+chat@example.org"]\ncommand = ["/usr/bin/true"]',
        '[alerts]\nwebhook_url = "https://hooks.example.org/services/T0/B0?x=1"',
        '[alerts]\nwebhook_url = "http://[::1]:9000/"',
    ],
)
def test_values_that_work_are_accepted(loaded: Callable[..., Config], text: str) -> None:
    loaded(AUTH + text)


def test_where_alerts_are_posted_is_not_printed(loaded: Callable[..., Config]) -> None:
    config = loaded(AUTH + '[alerts]\nwebhook_url = "https://hooks.example.org/known-to-few"')
    assert "AlertsSection(" in repr(config)
    assert "known-to-few" not in repr(config)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml: there is no such file; write it after"):
        load(tmp_path / "absent.toml", {})


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"config\.toml: is not UTF-8 text; save it as UTF-8"):
        load(tmp_path / "config.toml", {})


def test_a_directory_instead_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load(tmp_path, {})


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root reads every file, so be somebody else for a moment."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.touch(mode=0)
    with (
        unprivileged(),
        pytest.raises(ConfigurationError, match="cannot be read: Permission denied; let the server's user read it"),
    ):
        load(file, {})


def test_a_value_is_cut_before_the_line_grows_long(refusal: Callable[..., str]) -> None:
    assert len(refusal(f'[server]\nport = "{"9" * 10_000}"')) < 200


class TestEnvironment:
    def test_a_variable_overrides_the_file(self, loaded: Callable[..., Config]) -> None:
        config = loaded(
            AUTH + '[server]\nport = 1\nhost = "::1"',
            CHAT_SERVER_SERVER__PORT="8081",
            CHAT_SERVER_RATE_LIMIT__ENABLED="false",
            CHAT_SERVER_DATABASE__PATH="/srv/chat.db",
        )
        assert (config.server.port, config.server.host) == (8081, "::1")
        assert config.rate_limit.enabled is False
        assert config.database.path == "/srv/chat.db"

    @pytest.mark.parametrize("text", ["10.0.0.0/8, ::1", '["10.0.0.0/8", "::1"]', "10.0.0.0/8,::1,"])
    def test_a_list_is_written_with_commas_or_as_in_toml(self, loaded: Callable[..., Config], text: str) -> None:
        config = loaded(AUTH, CHAT_SERVER_SERVER__TRUSTED_PROXIES=text)
        assert config.server.trusted_proxies == ("10.0.0.0/8", "::1")

    def test_the_secret_may_come_from_a_variable_alone(self, loaded: Callable[..., Config]) -> None:
        assert loaded("", CHAT_SERVER_AUTH__JWT_SECRET=SECRET).auth.jwt_secret == SECRET

    def test_a_digits_only_text_stays_text(self, loaded: Callable[..., Config]) -> None:
        assert loaded(AUTH, CHAT_SERVER_BACKUP__DIRECTORY="2026").backup.directory == "2026"

    def test_an_empty_variable_counts_as_not_set(self, loaded: Callable[..., Config]) -> None:
        assert loaded(AUTH, CHAT_SERVER_SERVER__PORT="").server.port == 8080

    def test_names_without_the_two_underscores_are_not_ours(self, loaded: Callable[..., Config]) -> None:
        loaded(AUTH, CHAT_SERVER_PORT="tcp://10.0.0.1:8080", OTHER_SERVER__PORT="1", CHAT_SERVER_HOME="/")

    @pytest.mark.parametrize(
        ("variable", "text", "message"),
        [
            ("SERVER__PORT", "x", '[server] port is "x"; give a whole number from 1 to 65535'),
            ("SERVER__PORT", "65536", '[server] port is "65536"; give a whole number from 1 to 65535'),
            ("RATE_LIMIT__ENABLED", "perhaps", '[rate_limit] enabled is "perhaps"; give true or false'),
            (
                "SERVER__TRUSTED_PROXIES",
                '["::1"',
                '[server] trusted_proxies is "[\\"::1\\""; give first,second or',
            ),
            ("SERVER__TRUSTED_PROXIES", "[1]", '[server] trusted_proxies is "[1]"; give a list of texts'),
            ("SERVER__TRUSTED_PROXIES", "ten", '[server] trusted_proxies has "ten", which is no network'),
            ("SERVER__PROT", "1", "[server] prot is no key; did you mean port?"),
            ("SERVR__PORT", "1", "[servr] is no section; did you mean [server]?"),
            (
                "WEBSOCKET__HEARTBEAT_TIMEOUT_SECONDS",
                "99",
                "[websocket] heartbeat_timeout_seconds is 99; give less",
            ),
        ],
    )
    def test_a_mistake_names_the_variable(
        self, refusal: Callable[..., str], variable: str, text: str, message: str
    ) -> None:
        said = refusal(AUTH, **{f"CHAT_SERVER_{variable}": text})
        assert said.startswith(f"environment variable CHAT_SERVER_{variable}: {message}")


class TestDefaultPath:
    def test_the_installed_file_comes_first(self, tmp_path: Path) -> None:
        installed = tmp_path / "config.toml"
        installed.touch()
        assert default_path(installed) == installed

    def test_without_one_it_is_the_working_directorys(self, tmp_path: Path) -> None:
        assert default_path(tmp_path / "config.toml") == Path("config.toml")
