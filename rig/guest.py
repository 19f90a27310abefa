"""What makes a tree a host of its own: written into the folder that lies over the tree, before it is booted."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from rig.machine import run
from rig.slots import Slot

USER = "deploy"
"""Who logs in; may do everything by sudo, without a password, as on a cloud provider's machine."""


def prepare(root: Path, slot: Slot, *, proxy: str, host_key: Path, authorized_key: Path) -> None:
    """Gives the host its name, identity, address, SSH key, user, and the way to Debian's packages."""
    _write(root, "etc/hostname", f"{slot.name}\n")
    _write(root, "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {slot.name}\n::1 localhost ip6-localhost\n")
    _write(root, "etc/machine-id", f"{uuid.uuid4().hex}\n")
    # No router announces itself to these hosts, and nobody has their addresses: units that start when the network is
    # there would wait for both, for up to 13 seconds.
    alone = "IPv6AcceptRA=no\nIPv6DuplicateAddressDetection=0\n"
    _write(
        root,
        "etc/systemd/network/10-host0.network",
        f"[Match]\nName=host0\n\n[Network]\nAddress={slot.address}/24\nGateway={slot.outer_address}\n{alone}",
    )
    run("chroot", root, "systemctl", "--quiet", "enable", "systemd-networkd")
    # Only Debian's packages come by way of the cache: a repository that the rig serves is asked itself.
    direct = f'Acquire::http::Proxy::{slot.outer_address} "DIRECT";\n'
    _write(root, "etc/apt/apt.conf.d/91proxy", f'Acquire::http::Proxy "{proxy}";\n{direct}')
    for suffix in ("", ".pub"):
        shutil.copy(f"{host_key}{suffix}", root / f"etc/ssh/ssh_host_ed25519_key{suffix}")
    run("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", USER)
    _write(root, f"etc/sudoers.d/{USER}", f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n", mode=0o440)
    _write(root, f"home/{USER}/.ssh/authorized_keys", authorized_key.read_text(), mode=0o600)
    run("chroot", root, "chown", "--recursive", f"{USER}:", f"/home/{USER}/.ssh")


def forget(tree: Path) -> None:
    """Takes from the copy of a host what `prepare` gave it, as far as that does not write it anew, and its journal."""
    run("chroot", tree, "userdel", "--remove", USER)
    (tree / "etc" / "machine-id").write_text("")
    for journal in tree.glob("var/log/journal/*"):  # without their folder nothing would be kept of the next host's
        shutil.rmtree(journal)


def _write(root: Path, name: str, text: str, *, mode: int = 0o644) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
