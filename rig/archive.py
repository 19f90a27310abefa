"""Where Debian's packages come from: the archive that this machine's own apt uses, for any suite."""

from __future__ import annotations

import platform
from pathlib import Path

from rig.machine import RigError, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MAIN, UPDATES, SECURITY = "", "-updates", "-security"
POCKETS = (MAIN, UPDATES, SECURITY)
"""What a suite consists of, by the end of their names: trixie, trixie-updates, trixie-security."""

# A machine whose packages are a frozen picture of the archive tells its apt so by these; its guests must know too.
COPIED_SETTINGS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")


def archives() -> dict[str, str]:
    """The URL of each pocket, as this machine's apt knows it. Raises RigError where it knows none."""
    found = _archives_known()
    if MAIN not in found:
        run("apt-get", "--quiet", "update")
        found = _archives_known()
    if MAIN not in found:
        raise RigError("apt on this machine knows no archive of Debian: see /etc/apt/sources.list.d/")
    return found


def _archives_known() -> dict[str, str]:
    own = platform.freedesktop_os_release()["VERSION_CODENAME"]
    found = {}
    form = "$(CODENAME) $(COMPONENT) $(REPO_URI) $(ORIGIN)"
    for line in run("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines():
        codename, component, url, origin = line.split(" ", 3)
        pocket = codename.removeprefix(own)
        if (component, origin) == ("main", "Debian") and codename.startswith(own) and pocket in POCKETS:
            found[pocket] = _address(url)
    return found


def _address(url: str) -> str:
    """The URL itself, where apt was given a file that lists some (apt-transport-mirror(1))."""
    if not url.startswith("mirror+file:"):
        return url.rstrip("/")
    first = Path(url.removeprefix("mirror+file:").rstrip("/")).read_text().split()[0]
    return first.rstrip("/")


def through_cache(url: str) -> str:
    """The URL by which apt-cacher-ng is asked for this one; it fetches https itself when asked like this."""
    return url.replace("https://", "http://HTTPS///", 1)


def sources(suite: str) -> str:
    """A suite's /etc/apt/sources.list.d/debian.sources, for guests that ask through the cache."""
    return "\n".join(
        f"Types: deb\nURIs: {through_cache(url)}\nSuites: {suite}{pocket}\nComponents: main\nSigned-By: {KEYRING}\n"
        for pocket, url in sorted(archives().items())
    )


def settings() -> str:
    """What guests' apt must be told to get on with this archive: lines for /etc/apt/apt.conf.d/."""
    told = {name: setting(name) for name in COPIED_SETTINGS}
    return "".join(f'{name} "{value}";\n' for name, value in told.items() if value)


def setting(name: str) -> str:
    """A setting of this machine's apt; empty where it has none."""
    return run("apt-config", "dump", "--no-empty", "--format", "%v%n", name).strip()
