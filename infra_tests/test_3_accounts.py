"""Chapter 3: who may sign up and log in, and for how long; nobody is signed up to see that."""

from __future__ import annotations

from infra_tests.shell import Shell
from infra_tests.site import EXECUTABLE, Expected, Site


def test_a_wrong_token_is_refused_in_words(site: Site) -> None:
    answer = site.inside("/user/me", {"Authorization": "Bearer your-jwt-token-here"})
    assert (answer.status, answer.json["error"]) == (401, "UNAUTHORIZED")


def test_who_may_sign_up_is_as_expected(site: Site, expected: Expected) -> None:
    assert site.setting("auth", "registration", "open") == expected["registration"]


def test_guessing_passwords_is_slow(site: Site, expected: Expected) -> None:
    wanted = expected["limits"]
    assert site.setting("rate_limit", "enabled", True)
    assert {
        "max_auth_attempts": site.setting("rate_limit", "max_auth_attempts", 5),
        "auth_window_seconds": site.setting("rate_limit", "auth_window_seconds", 900),
        "token_expiry_seconds": site.setting("auth", "token_expiry_seconds", 3600),
    } == wanted


def test_the_secret_is_nowhere_but_where_it_belongs(site: Site, shell: Shell) -> None:
    """Whoever has it can be anybody. It is not in the unit, in a process's arguments, or in the log."""
    secret = site.setting("auth", "jwt_secret", "") or shell.root(f"cat {site.setting('auth', 'jwt_secret_file', '')}")
    assert len(secret) >= 32
    places = "systemctl cat chat-server; ps -eo args; journalctl --quiet --unit=chat-server"
    shown = shell.root(f"({places}) | grep --count --fixed-strings --file=<(head -c 20 {_secret_of(site)}) || true")
    assert shown.strip() == "0"


def _secret_of(site: Site) -> str:
    """A shell's name for a file that begins with the secret, so that the secret itself is in no argument."""
    if file := site.setting("auth", "jwt_secret_file", ""):
        return str(file)
    return "<(sed -n 's/^jwt_secret *= *\"\\(.*\\)\".*/\\1/p' /opt/chat-server/config.toml)"


def test_accounts_can_be_looked_after_without_the_server(shell: Shell) -> None:
    assert shell.types(f"sudo --non-interactive {EXECUTABLE} users list --limit 1 --json").code == 0
