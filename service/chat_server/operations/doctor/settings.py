"""The configuration, for questions about it."""

from __future__ import annotations

from chat_server.config import Config
from chat_server.operations.doctor.report import CannotLookError
from chat_server.operations.doctor.site import Site


def settings(site: Site) -> Config:
    """What is configured. Raises CannotLookError where that was refused: the defaults stand in for it then."""
    if site.config_error:
        raise CannotLookError("not known before the configuration is good again")
    return site.config
