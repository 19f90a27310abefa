"""SIGHUP: the log level and the limits of a running server follow its configuration."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.device import online
from tests.server import COMMAND, Server, running_server, write_config


def reload(running: Server, **sections: dict[str, object]) -> None:
    """Changes the configuration and says so to the server."""
    write_config(running.config.parent, port=running.port, **sections)
    running.process.send_signal(signal.SIGHUP)


def test_limits_change_for_who_is_connected_already(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        with online(server, ann) as anns:
            anns.say(bob, "one of twenty")
            reload(server, rate_limit={"messages_per_minute": 1, "burst": 1})
            server.wait_for_log("configuration reloaded")
            anns.say(bob, "one of one")
            refused = anns.write(bob, "too much")
            assert anns.error(refused)["code"] == "RATE_LIMIT_EXCEEDED"


def test_the_log_level_changes_both_ways(tmp_path: Path) -> None:
    with running_server(tmp_path, server={"log_level": "warn"}) as server:
        assert server.logged() == ""
        reload(server, server={"log_level": "debug"})
        server.wait_for_log("configuration reloaded")
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        with online(server, ann) as anns:
            ack = anns.say(bob, "not for the log")
        assert "DEBUG" in server.wait_for_log(ack["messageId"])
        assert "not for the log" not in server.logged()


def test_the_level_of_the_command_line_stays(tmp_path: Path) -> None:
    # In front of what tests/server.py adds, as a person writes it.
    with running_server(tmp_path, command=(*COMMAND, "--log-level", "debug")) as server:
        reload(server, server={"log_level": "warn"})
        server.wait_for_log("configuration reloaded")


def test_a_bad_configuration_changes_nothing_and_is_named(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        reload(server, server={"log_level": "loud"})
        line = server.wait_for_log("configuration not reloaded")
        assert "log_level" in line
        assert str(server.config) in line
        assert server.client().get("/health").status == 200


def test_registration_can_be_closed_while_it_runs(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        server.client().sign_up("ann")
        reload(server, auth={"registration": "closed"})
        server.wait_for_log("configuration reloaded")
        late = server.client().post("/auth/signup", {"username": "bob", "password": "Correct-Horse-7"})
        assert (late.status, late.error) == (403, "REGISTRATION_CLOSED")


def test_limits_can_be_switched_off_for_who_is_connected_already(tmp_path: Path) -> None:
    limits: dict[str, object] = {"messages_per_minute": 1, "burst": 1}
    with running_server(tmp_path, rate_limit=limits) as server:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        with online(server, ann) as anns:
            anns.say(bob, "one of one")
            reload(server, rate_limit={**limits, "exempt_networks": ["127.0.0.0/8"]})
            server.wait_for_log("configuration reloaded")
            anns.say(bob, "and another")
            anns.say(bob, "and one more")
