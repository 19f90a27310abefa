"""Trees: Debian in a folder, bootstrapped once and kept for as long as its recipe stays the same."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rig.apt_cache import apt_cache
from rig.archive import KEYRING, MAIN, archives, settings, sources, through_cache
from rig.locks import locked
from rig.machine import BUILD, RigError, prepare, run, say

TREES = BUILD / "trees"
SUITES = ("bookworm", "trixie")

# What an ordinary server has beside the essential packages; Ansible and the SSH tests need some of it.
PACKAGES = (
    "ca-certificates",
    "cron",
    "dbus",
    "iproute2",
    "iptables",
    "kmod",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
)

# What a bootstrapped tree knows of the machine it was made on, or what each host must have of its own.
FOREIGN = ("etc/hostname", "etc/resolv.conf", "etc/apt/sources.list", "etc/ssh/ssh_host_*", "var/cache/apt/*.bin")


def ensure_tree(suite: str) -> Path:
    """The tree of a suite (bookworm, trixie) as a fresh server has it, bootstrapped where it is not there yet.

    Nothing writes into it: a host lays a folder of its own over it. Raises RigError, also for want of root.
    """
    if suite not in SUITES:
        raise RigError(f"no suite {suite}: the rig knows {', '.join(SUITES)}")
    prepare()
    recipe = json.dumps([suite, PACKAGES, sources(suite), settings()])
    return kept(TREES / suite, recipe, lambda tree: _bootstrap(tree, suite))


def build_tree(suite: str, packages: Sequence[str]) -> Path:
    """A copy of the suite's tree with further packages, without those they only recommend. Raises RigError."""
    base = ensure_tree(suite)
    packages = sorted(set(packages))
    recipe = json.dumps([_recipe(base).read_text(), packages])

    def copy(tree: Path) -> None:
        run("cp", "--archive", "--reflink=auto", f"{base}/.", tree)
        _install(tree, packages)

    return kept(TREES / f"{suite}-build", recipe, copy)


def kept(tree: Path, recipe: str, make: Callable[[Path], None]) -> Path:
    """The tree, made or remade by `make` where it does not follow the recipe; nobody ever sees it half made.

    `make` gets an empty folder. A tree is not remade while a host stands on it, but once that is gone.
    """
    with in_use(tree):
        if _follows(tree, recipe):
            return tree
    try:
        with locked(_lock(tree), wait=False):
            pass
    except BlockingIOError:
        say(f"waiting until nobody makes or uses the tree {tree.name}: python -m rig list shows the hosts on it")
    with locked(_lock(tree)):
        if not _follows(tree, recipe):
            _make(tree, recipe, make)
    return tree


@contextmanager
def in_use(tree: Path) -> Iterator[None]:
    """Keeps the tree from being remade for the length of the block."""
    with locked(_lock(tree), shared=True):
        yield


def inside(tree: Path, *command: str, network: bool = False, binds: Sequence[str] = ()) -> list[str]:
    """The command that runs `command` as root inside the tree, as if it were the machine, without booting it.

    `binds` are folders of this machine to be seen there, each "HERE:THERE". What it writes elsewhere stays in the tree.
    """
    return [
        "systemd-nspawn",
        "--quiet",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        "--as-pid2",
        "--pipe",
        "--timezone=off",
        "--resolv-conf=off",
        "--setenv=DEBIAN_FRONTEND=noninteractive",
        f"--directory={tree}",
        *([] if network else ["--private-network"]),
        *(f"--bind={bind}" for bind in binds),
        "--",
        *command,
    ]


def _lock(tree: Path) -> Path:
    return tree.with_name(f"{tree.name}.lock")


def _recipe(tree: Path) -> Path:
    return tree.with_name(f"{tree.name}.recipe")


def _follows(tree: Path, recipe: str) -> bool:
    """Whether the tree is there, whole, and made by the recipe, which is written last."""
    return tree.exists() and _recipe(tree).exists() and _recipe(tree).read_text() == recipe


def _make(tree: Path, recipe: str, make: Callable[[Path], None]) -> None:
    say(f"making the tree {tree.name}, which takes a minute or two; it is kept")
    began = time.monotonic()
    for leftover in tree.parent.glob(f".{tree.name}.*"):
        shutil.rmtree(leftover)
    new = Path(tempfile.mkdtemp(prefix=f".{tree.name}.", dir=tree.parent))
    new.chmod(0o755)
    try:
        make(new)
    except BaseException:
        shutil.rmtree(new)
        raise
    _recipe(tree).unlink(missing_ok=True)
    if tree.exists():
        old = tree.rename(tree.with_name(f".{tree.name}.old"))
        new.rename(tree)
        shutil.rmtree(old)
    else:
        new.rename(tree)
    _recipe(tree).write_text(recipe)
    say(f"the tree {tree.name} is ready after {time.monotonic() - began:.0f} s")


def _bootstrap(tree: Path, suite: str) -> None:
    with apt_cache() as proxy:
        # In a mount namespace of its own, so that nothing it mounts is left if it is interrupted.
        run(
            *("unshare", "--mount", "debootstrap", "--variant=minbase", f"--keyring={KEYRING}"),
            *(f"--include={','.join(PACKAGES)}", suite, tree, through_cache(archives()[MAIN])),
            environ={"http_proxy": proxy},
        )
    for pattern in FOREIGN:
        for path in tree.glob(pattern):
            path.unlink()
    (tree / "etc" / "machine-id").write_text("")  # an empty one is filled at the first boot
    (tree / "etc/apt/sources.list.d/debian.sources").write_text(sources(suite))
    if told := settings():
        (tree / "etc/apt/apt.conf.d/90archive").write_text(told)
    _install(tree, [])


def _install(tree: Path, packages: Sequence[str]) -> None:
    """Brings the tree up to date, packages added."""
    with apt_cache() as proxy:
        apt = ("apt-get", "--quiet", "--yes", "--option", f"Acquire::http::Proxy={proxy}")
        run(*inside(tree, *apt, "update", network=True))
        run(*inside(tree, *apt, "dist-upgrade", network=True))
        run(*inside(tree, *apt, "install", "--no-install-recommends", *packages, network=True))
    run(*inside(tree, "apt-get", "clean"))
    shutil.rmtree(tree / "var/lib/apt/lists")
