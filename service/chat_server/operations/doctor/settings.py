"""The configuration, for questions about it, and how it is changed."""

from __future__ import annotations

from chat_server.config import Config
from chat_server.operations.doctor.commands import restart, systemctl
from chat_server.operations.doctor.report import CannotLookError
from chat_server.operations.doctor.site import Site


def settings(site: Site) -> Config:
    """What is configured. Raises CannotLookError where that was refused: the defaults stand in for it then."""
    if site.config_error:
        raise CannotLookError("not known before the configuration is good again")
    return site.config


def change(site: Site, what: str, *, reloaded: bool = False) -> str:
    """The steps to another value, such as "[rate_limit] enabled = true". `reloaded`: SIGHUP is enough for it."""
    runs = site.unit.get("ActiveState") == "active"
    return f"Write {what}:\nsudo nano {site.config_path}\n{systemctl('reload') if reloaded and runs else restart(site)}"
