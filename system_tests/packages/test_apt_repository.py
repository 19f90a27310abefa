"""The repository: signed, whole, published by the commands of its document, and apt takes nothing else."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rig.host import Host
from rig.machine import run
from rig.trees import SUITES
from system_tests.packages.archive import BUILD, ROOT, Archive, add_key, key_home
from system_tests.packages.building import NEXT_VERSION, VERSION
from system_tests.packages.conftest import SOURCES, Packages, serve
from system_tests.packages.documents import commands

KEYRING = "/etc/apt/keyrings/chat-server-archive.asc"
URL = "https://apt.example.org"


@pytest.fixture
def unserved(tmp_path: Path) -> Archive:
    """A repository that nobody fetches from."""
    return Archive(tmp_path / "debian", url=URL)


def of_version(packages: Packages, version: str) -> dict[str, list[Path]]:
    return {suite: [packages[suite, version]] for suite in SUITES}


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


# Building it.


def test_it_has_every_package_of_every_suite_by_its_hash(
    unserved: Archive, packages: Packages, signing_key: Path
) -> None:
    said = unserved.publish(of_version(packages, VERSION), key_home=signing_key)
    for suite in SUITES:
        package = packages[suite, VERSION]
        index = (unserved.directory / f"dists/{suite}/main/binary-amd64/Packages").read_text()
        assert f"Filename: pool/{suite}/{package.name}\n" in index
        assert f"SHA256: {hashlib.sha256(package.read_bytes()).hexdigest()}\n" in index
        assert (unserved.directory / "pool" / suite / package.name).read_bytes() == package.read_bytes()
        assert f"has {suite}/{package.name}" in said


@pytest.mark.parametrize("suite", SUITES)
def test_its_release_is_signed_twice_and_names_every_index(
    suite: str, unserved: Archive, packages: Packages, signing_key: Path, tmp_path: Path
) -> None:
    unserved.publish(of_version(packages, VERSION), key_home=signing_key)
    release = unserved.directory / "dists" / suite
    keyring = tmp_path / "archive.gpg"
    keyring.write_bytes(dearmored(unserved.directory / "chat-server-archive.asc"))
    for signed in [["InRelease"], ["Release.gpg", "Release"]]:
        subprocess.run(
            ["gpgv", "--keyring", keyring, *[release / name for name in signed]], check=True, capture_output=True
        )
    text = (release / "Release").read_text()
    assert f"Codename: {suite}\n" in text
    assert "Acquire-By-Hash: yes\n" in text
    _, _, hashes = text.partition("SHA256:\n")
    listed = re.findall(r"^ ([0-9a-f]{64}) +\d+ (\S+)$", hashes, re.MULTILINE)
    assert {name for _, name in listed} >= {f"main/binary-amd64/Packages{end}" for end in ("", ".gz", ".xz")}
    for digest, name in listed:
        index = release / name
        assert hashlib.sha256(index.read_bytes()).hexdigest() == digest
        by_hash = index.parent / "by-hash" / "SHA256" / digest
        assert by_hash.read_bytes() == index.read_bytes()


def dearmored(key: Path) -> bytes:
    return subprocess.run(["gpg", "--dearmor"], input=key.read_bytes(), check=True, capture_output=True).stdout


def test_no_secret_key_is_in_it_and_nothing_is_left_beside_it(
    unserved: Archive, packages: Packages, signing_key: Path
) -> None:
    unserved.publish(of_version(packages, VERSION), key_home=signing_key)
    key = (unserved.directory / "chat-server-archive.asc").read_text()
    assert key.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    assert "PRIVATE" not in key
    assert {path.name for path in unserved.directory.iterdir()} == {
        "chat-server-archive.asc", "dists", "pool", *(f"{suite}.sources" for suite in SUITES)
    }  # fmt: skip
    assert list(unserved.directory.parent.iterdir()) == [unserved.directory]


def test_what_is_served_can_be_read_by_a_web_server(unserved: Archive, packages: Packages, signing_key: Path) -> None:
    unserved.publish(of_version(packages, VERSION), key_home=signing_key)
    for path in [unserved.directory, *unserved.directory.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_a_suites_source_trusts_this_key_for_this_repository_only(
    unserved: Archive, packages: Packages, signing_key: Path
) -> None:
    unserved.publish(of_version(packages, VERSION), key_home=signing_key)
    assert (unserved.directory / "trixie.sources").read_text().splitlines() == [
        "Types: deb", f"URIs: {URL}", "Suites: trixie", "Components: main", "Architectures: amd64",
        f"Signed-By: {KEYRING}",
    ]  # fmt: skip


def test_older_packages_and_indexes_stay(unserved: Archive, packages: Packages, signing_key: Path) -> None:
    unserved.publish(of_version(packages, VERSION), key_home=signing_key)
    index = unserved.directory / "dists/bookworm/main/binary-amd64"
    before = hashlib.sha256((index / "Packages.xz").read_bytes()).hexdigest()
    unserved.publish(of_version(packages, NEXT_VERSION), key_home=signing_key)
    listed = re.findall(r"^Version: (.+)$", (index / "Packages").read_text(), re.MULTILINE)
    assert sorted(listed) == [f"{VERSION}+deb12", f"{NEXT_VERSION}+deb12"]
    assert (index / "by-hash/SHA256" / before).exists()


def test_other_bytes_under_a_published_version_are_refused(
    unserved: Archive, packages: Packages, signing_key: Path, tmp_path: Path
) -> None:
    unserved.publish(of_version(packages, VERSION), key_home=signing_key)
    published = packages["trixie", VERSION]
    other = tmp_path / published.name
    other.write_bytes(published.read_bytes() + b"\n")
    said = refusal(unserved.try_to_publish({"trixie": [other]}, key_home=signing_key))
    assert "a published version never changes, so raise the version" in said
    assert (unserved.directory / "pool/trixie" / published.name).read_bytes() == published.read_bytes()


def test_without_packages_there_is_no_repository(unserved: Archive, signing_key: Path) -> None:
    assert "make deb SUITE=bookworm builds one" in refusal(unserved.try_to_publish({}, key_home=signing_key))
    assert not unserved.directory.exists()


def test_a_home_without_a_key_is_refused(unserved: Archive, packages: Packages) -> None:
    with key_home() as empty:
        said = refusal(unserved.try_to_publish(of_version(packages, VERSION), key_home=empty))
    assert f"no valid secret key in {empty}" in said
    assert not unserved.directory.exists()


def test_an_expired_key_does_not_sign(unserved: Archive, packages: Packages) -> None:
    with key_home() as home:
        add_key(home, "the old one", "--faked-system-time", "20200101T000000")
        said = refusal(unserved.try_to_publish(of_version(packages, VERSION), key_home=home))
        assert f"no valid secret key in {home}" in said
        add_key(home, "the new one")
        assert unserved.publish(of_version(packages, VERSION), key_home=home).count("signed by") == 1


def test_a_trial_repository_is_signed_with_a_key_that_is_gone_afterwards(
    unserved: Archive, packages: Packages, tmp_path: Path
) -> None:
    (tmp_path / "dist" / "trixie").mkdir(parents=True)
    shutil.copy(packages["trixie", VERSION], tmp_path / "dist" / "trixie")
    (tmp_path / "tmp").mkdir()
    environ = {name: value for name, value in os.environ.items() if name != "GNUPGHOME"}
    done = subprocess.run(
        [BUILD, "--into", unserved.directory],
        cwd=tmp_path,
        env={**environ, "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "a key made for this run" in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []
    assert (unserved.directory / "trixie.sources").exists()


def test_the_publishers_commands_make_keep_and_change_the_key(packages: Packages, tmp_path: Path) -> None:
    """What docs/apt-repository.md tells a publisher to type, in the order of a first release and of a later one."""
    ensure_rsync()
    (tmp_path / "packaging").symlink_to(ROOT / "packaging")
    for suite in SUITES:
        (tmp_path / "dist" / suite).mkdir(parents=True)
        shutil.copy(packages[suite, VERSION], tmp_path / "dist" / suite)

    with key_home() as home, key_home() as restored:
        elsewhere = {
            "~/chat-server-key-restored": str(restored),
            "~/chat-server-key": str(home),
            "apt.example.org:/srv/apt/": f"{tmp_path}/srv/",
        }

        def follow(heading: str) -> str:
            script = "\n".join(commands("apt-repository.md", heading))
            for documented, here in elsewhere.items():
                script = script.replace(documented, here)
            done = subprocess.run(
                ["sh", "-euc", script],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        [shown] = re.findall(r"^ +((?:[0-9A-F]{4} *){10})$", follow("Make the key"), re.MULTILINE)
        fingerprint = shown.replace(" ", "")
        assert f"signed by {fingerprint}, which expires on 20" in follow("Build it")
        follow("Publish it")
        follow("Change the key")
        (tmp_path / "dist/apt").rename(tmp_path / "dist/apt-before")
        assert follow("Build it").count("signed by") == 2
        secrets: list[str | Path] = ["gpg", "--homedir", restored, "--with-colons", "--list-secret-keys"]
        assert fingerprint in subprocess.run(secrets, check=True, capture_output=True, text=True).stdout
    published = tmp_path / "srv" / "dists" / "trixie" / "InRelease"
    assert published.read_bytes() == (tmp_path / "dist/apt-before/dists/trixie/InRelease").read_bytes()


def ensure_rsync() -> None:
    if not shutil.which("rsync"):
        run("apt-get", "--quiet", "update")
        run("apt-get", "--quiet", "--yes", "install", "--no-install-recommends", "rsync")


# Using it, on both Debians.


@pytest.fixture(scope="module")
def archive(
    debian_host: Host, packages: Packages, signing_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> Archive:
    """A repository that the host reaches."""
    return serve(debian_host, tmp_path_factory.mktemp("served"), packages, signing_key)


@pytest.fixture(scope="module")
def customer(debian_host: Host, archive: Archive) -> Host:
    """A host that knows the repository and its key, and has not installed anything from it."""
    debian_host.run("mkdir -p /etc/apt/keyrings")
    debian_host.put(archive.directory / "chat-server-archive.asc", KEYRING)
    debian_host.put(archive.directory / f"{debian_host.suite}.sources", SOURCES)
    return debian_host


@pytest.fixture
def pristine(customer: Host, archive: Archive, packages: Packages, signing_key: Path) -> Archive:
    """The repository as published, for a host that has never seen it and holds the right key."""
    shutil.rmtree(archive.directory)
    archive.publish(offered(customer, packages), key_home=signing_key)
    customer.put(archive.directory / "chat-server-archive.asc", KEYRING)
    customer.run("rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/chat-server_*")
    return archive


def offered(host: Host, packages: Packages) -> dict[str, list[Path]]:
    return {host.suite: [packages[host.suite, VERSION]]}


def update(host: Host) -> str:
    """Lets apt look at our repository alone, as if for the first time, for within a second it would not look again.

    That goes right or wrong as a whole; gives apt's complaints.
    """
    done = host.run(
        "rm -rf /var/lib/apt/lists/*; apt-get update"
        f" -o Dir::Etc::SourceList={SOURCES} -o Dir::Etc::SourceParts=/dev/null -o APT::Update::Error-Mode=any 2>&1",
        check=False,
    )
    return "" if done.code == 0 else done.out


def candidate(host: Host) -> str:
    """The version that apt would install; empty where it knows none."""
    found = re.search(r"Candidate: (\S+)", host.run("apt-cache policy chat-server").out)
    return found[1] if found else ""


def test_apt_offers_the_package_of_the_hosts_own_debian(customer: Host, pristine: Archive, packages: Packages) -> None:
    assert update(customer) == ""
    assert f"chat-server_{candidate(customer)}_amd64.deb" == packages[customer.suite, VERSION].name


def change_the_index(release: Path) -> None:
    """A byte in the middle of each, compressed or not; a file that has two names is one file."""
    indexes = {
        path.stat().st_ino: path for path in release.rglob("*") if path.is_file() and "binary-amd64" in path.parts
    }
    for index in indexes.values():
        changed = bytearray(index.read_bytes())
        changed[len(changed) // 2] ^= 0xFF
        index.write_bytes(changed)


def change_the_release(release: Path) -> None:
    signed = release / "InRelease"
    signed.write_text(signed.read_text().replace("Label: chat-server", "Label: chat-servers"))


def change_the_detached_release(release: Path) -> None:
    (release / "InRelease").unlink()
    with (release / "Release").open("a") as file:
        file.write("Description: another\n")


def take_the_signatures_away(release: Path) -> None:
    (release / "InRelease").unlink()
    (release / "Release.gpg").unlink()


@pytest.mark.parametrize(
    "tamper", [change_the_index, change_the_release, change_the_detached_release, take_the_signatures_away]
)
def test_a_tampered_index_is_refused(customer: Host, pristine: Archive, tamper: Callable[[Path], None]) -> None:
    tamper(pristine.directory / "dists" / customer.suite)
    assert re.search(
        r"Hash Sum mismatch|unexpected size|BADSIG|isn't signed|is not signed|manipulated|invalid", update(customer)
    )
    assert candidate(customer) == ""


def test_a_repository_signed_by_somebody_else_is_refused(customer: Host, pristine: Archive, packages: Packages) -> None:
    with key_home("somebody else") as other:
        pristine.publish(offered(customer, packages), key_home=other)
    assert re.search(r"NO_PUBKEY|Missing key", update(customer))
    assert candidate(customer) == ""


def test_a_host_without_the_key_is_offered_nothing(customer: Host, pristine: Archive) -> None:
    customer.run(f"rm {KEYRING}")
    assert update(customer)
    assert candidate(customer) == ""


def test_a_forged_package_is_not_taken(customer: Host, pristine: Archive) -> None:
    assert update(customer) == ""
    [package] = (pristine.directory / "pool" / customer.suite).iterdir()
    forged = bytearray(package.read_bytes())
    forged[-1] ^= 1
    package.write_bytes(forged)
    done = customer.run("cd /tmp && apt-get download chat-server 2>&1", check=False)
    assert done.code != 0
    assert re.search(r"Hash Sum mismatch|unexpected size", done.out)
    assert customer.run("ls /tmp/chat-server*.deb", check=False).code != 0


def test_a_change_of_key_has_an_overlap(
    customer: Host, pristine: Archive, packages: Packages, signing_key: Path
) -> None:
    """Hosts with the old key go on while both sign; who has fetched the new file goes on when the old one is gone."""
    with key_home("the next one") as new, key_home() as both:
        for home in (signing_key, new):
            secrets = subprocess.run(
                ["gpg", "--homedir", home, "--export-secret-keys"], check=True, capture_output=True
            ).stdout
            subprocess.run(["gpg", "--homedir", both, "--import"], input=secrets, check=True, capture_output=True)
        pristine.publish({}, key_home=both)
        overlap = (pristine.directory / "chat-server-archive.asc").read_bytes()
        assert update(customer) == ""

        pristine.publish({}, key_home=new)
        assert re.search(r"NO_PUBKEY|Missing key", update(customer))
    renewed = pristine.directory / "renewed.asc"
    renewed.write_bytes(overlap)
    customer.put(renewed, KEYRING)
    assert update(customer) == ""
    assert candidate(customer)
