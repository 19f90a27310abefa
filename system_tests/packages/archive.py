"""A signed apt repository, made by packaging/build-apt-repository as a release is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "packaging" / "build-apt-repository"
UNATTENDED = "batch\npinentry-mode loopback\npassphrase-file /dev/null\n"
"""gpg.conf for keys whose passphrase, an empty one, nobody is asked for."""


@contextmanager
def key_home(*names: str) -> Iterator[Path]:
    """A GnuPG home for the length of the block, with a signing key for each name."""
    # The agent's socket is in it, and a socket's path may have 107 bytes: pytest's folders may be too deep.
    with TemporaryDirectory(prefix="keys-") as name:
        home = Path(name)
        (home / "gpg.conf").write_text(UNATTENDED)
        try:
            for user in names:
                add_key(home, user)
            yield home
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


def add_key(home: Path, user: str, *options: str) -> None:
    """Makes an ed25519 key that can only sign; `options` are gpg's."""
    command: list[str | Path] = [
        "gpg",
        "--homedir",
        home,
        "--quiet",
        *options,
        "--quick-generate-key",
        user,
        "ed25519",
        "sign",
        "1y",
    ]
    subprocess.run(command, check=True, capture_output=True)


@dataclass(frozen=True)
class Archive:
    """A repository in a directory that is served at `url`."""

    directory: Path
    url: str

    def publish(self, packages: Mapping[str, Sequence[Path]], *, key_home: Path) -> str:
        """Adds the packages, given by suite, and signs all with the keys of that home; gives what was printed."""
        done = self.try_to_publish(packages, key_home=key_home)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_to_publish(
        self, packages: Mapping[str, Sequence[Path]], *, key_home: Path
    ) -> subprocess.CompletedProcess[str]:
        """The same, whatever comes of it."""
        with TemporaryDirectory() as name:
            for suite, files in packages.items():
                folder = Path(name, suite)
                folder.mkdir()
                for file in files:
                    (folder / file.name).symlink_to(file)
            command: list[str | Path] = [
                BUILD,
                "--from",
                name,
                "--into",
                self.directory,
                "--url",
                self.url,
                "--key-home",
                key_home,
            ]
            return subprocess.run(command, check=False, capture_output=True, text=True)
