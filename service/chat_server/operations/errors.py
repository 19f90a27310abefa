"""What an admin's command may be refused."""

from __future__ import annotations


class RefusedError(Exception):
    """What was asked cannot be done, and nothing was changed. Its text is one line that says why."""


class UntoldError(Exception):
    """Somebody could not be told of something; the next run tries again. Its text is one line."""


class CopyFailedError(Exception):
    """A backup is good, and has no copy. Its text is one line that says why."""
