"""Reading nginx's configuration: as much as tells which location a request meets, and what it does with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from chat_server.operations.doctor.report import CannotLookError

USUAL: Final = Path("/etc/nginx/nginx.conf")
DEEPEST_INCLUDE: Final = 10
MOST_CHARACTERS: Final = 2_000_000
WILDCARDS: Final = ("*", "::", "0.0.0.0")  # noqa: S104  looked for, not listened on

_TOKEN = re.compile(
    r"""\s+ | \#[^\n]*
    | (?P<mark>[;{}])
    | (?P<quoted>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*')
    | (?P<word>(?:\$\{\w+\} | \\. | [^\s;{}\\])+)""",
    re.VERBOSE | re.DOTALL,
)
# Any other backslash is a pattern's.
_ESCAPED = re.compile(r"\\([\"'\\])")
_TIME = re.compile(r"(\d+)(ms|[smhdwMy]?)")
_SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive; `where` is its file and line."""

    name: str
    arguments: tuple[str, ...]
    block: tuple[Directive, ...]
    where: str

    def all(self, name: str) -> list[Directive]:
        """The directives of that name right inside."""
        return [inner for inner in self.block if inner.name == name]


@dataclass(frozen=True, slots=True)
class Location:
    """What serves a request. `scopes` are the blocks around it, the innermost first."""

    scopes: tuple[Directive, ...]
    upstreams: Mapping[str, tuple[str, ...]]

    @property
    def where(self) -> str:
        """File and line of its block."""
        return self.scopes[0].where

    def setting(self, name: str) -> tuple[str, ...]:
        """The arguments of a directive that holds here, from the innermost block that has it; else none."""
        return next((found[-1].arguments for scope in self.scopes if (found := scope.all(name))), ())

    def headers(self) -> dict[str, str]:
        """What the proxy adds to a request. Blocks with any such directive inherit none (ngx_http_proxy_module)."""
        given = next((found for scope in self.scopes if (found := scope.all("proxy_set_header"))), [])
        return {one.arguments[0].lower(): one.arguments[1] for one in given if len(one.arguments) == 2}

    def adds_header(self, name: str) -> str:
        """Where a header of that name is added to answers; empty where it is not."""
        added = next((found for scope in self.scopes if (found := scope.all("add_header"))), [])
        return next((one.where for one in added if one.arguments[:1] and one.arguments[0].lower() == name.lower()), "")

    def targets(self) -> list[tuple[str, int]]:
        """Host and port of the servers that requests are passed on to; variables are not known."""
        passed = self.scopes[0].all("proxy_pass")
        if not passed or not passed[-1].arguments:
            return []
        scheme, _, rest = passed[-1].arguments[0].partition("://")
        authority = rest.partition("/")[0]
        named = self.upstreams.get(authority, (authority,))
        return [target for one in named if (target := _host_and_port(one, 443 if scheme == "https" else 80))]

    def leads_to(self, hosts: Sequence[str], port: int) -> bool:
        """Whether requests are passed on to that port of one of these hosts."""
        return any(host in hosts and target == port for host, target in self.targets())


@dataclass(frozen=True, slots=True)
class Server:
    """One server block, in nginx's `http`."""

    block: Directive
    http: Directive
    upstreams: Mapping[str, tuple[str, ...]]

    def answers_to(self, name: str) -> bool:
        """Whether a host name is among those it is for."""
        names = [given for one in self.block.all("server_name") for given in one.arguments]
        return any(_names(given.lower(), name.lower()) for given in names)

    def listens(self) -> list[tuple[str, int]]:
        """Address and port of each listen directive, the address empty for every one; those of files are left out."""
        words = [one.arguments[0] for one in self.block.all("listen") if one.arguments]
        found = [re.fullmatch(r"(?:(\[[^\]]*\]|[\w.*-]+):)?(\d+)", one) for one in words]
        given = [((one[1] or "").strip("[]"), int(one[2])) for one in found if one]
        if not words:
            given = [("", 80)]
        return [("" if address in WILDCARDS else address, port) for address, port in given]

    def location(self, path: str) -> Location | None:
        """The location that serves a path: exact, else the first pattern, else the longest prefix."""
        chosen = _chosen(self.block.all("location"), path)
        return Location((chosen, self.block, self.http), self.upstreams) if chosen else None

    @property
    def locations(self) -> list[Location]:
        """All of them."""
        return [Location((one, self.block, self.http), self.upstreams) for one in self.block.all("location")]


def masters() -> list[Path]:
    """The configurations of the nginx that run here; of none in a container, which this machine's owner sees too."""
    return [
        _configuration(words)
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "nginx"
        and (words := " ".join(process.info["cmdline"] or [])).startswith("nginx: master process")
        and not _is_contained(process.pid)
    ]


def servers() -> list[Server]:
    """The server blocks of the nginx that run here, or would by the usual configuration; none without nginx.

    Raises CannotLookError where a configuration can't be read.
    """
    files = masters() or ([USUAL] if USUAL.is_file() else [])
    return [server for file in files for server in servers_of(read(file))]


def read(file: Path) -> tuple[Directive, ...]:
    """All directives of a configuration, what it includes in its place. Raises CannotLookError."""
    return tuple(_Reader(file.parent).file(file, depth=0))


def seconds(words: Sequence[str], default: float) -> float:
    """A time as nginx writes it ("90", "5m", "1h 30m") in seconds; the default for no words."""
    parts = _TIME.findall(" ".join(words))
    return sum(int(number) * _SECONDS[unit] for number, unit in parts) if parts else default


def servers_of(directives: Sequence[Directive]) -> list[Server]:
    """The server blocks of a configuration."""
    found = []
    for http in (one for one in directives if one.name == "http"):
        upstreams = {
            one.arguments[0]: tuple(server.arguments[0] for server in one.all("server") if server.arguments)
            for one in http.all("upstream")
            if one.arguments
        }
        found += [Server(block, http, upstreams) for block in http.all("server")]
    return found


def _names(given: str, name: str) -> bool:
    if given.startswith("~"):
        return _matches(given[1:], name)
    if given.startswith("*."):
        return name.endswith(given[1:])
    return name == given.lstrip(".") or (given.startswith(".") and name.endswith(given))


def _chosen(locations: Sequence[Directive], path: str) -> Directive | None:
    patterns, prefixes = [], []
    for one in locations:
        match one.arguments:
            case ("=", given) if given == path:
                return one
            case (("~" | "~*") as kind, pattern) if _matches(pattern, path, ignoring_case=kind == "~*"):
                patterns.append(one)
            case (("^~"), given) | (given,) if path.startswith(given):
                prefixes.append(one)
    longest = max(prefixes, key=lambda one: len(one.arguments[-1]), default=None)
    if patterns and (longest is None or longest.arguments[0] != "^~"):
        return patterns[0]
    return longest


def _matches(pattern: str, text: str, *, ignoring_case: bool = False) -> bool:
    try:
        return re.search(pattern, text, re.IGNORECASE if ignoring_case else 0) is not None
    except re.error:
        return False


def _host_and_port(text: str, default: int) -> tuple[str, int] | None:
    found = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[\w.-]+)(?::(\d+))?", text)
    return (found[1].strip("[]"), int(found[2] or default)) if found else None


def _configuration(words: str) -> Path:
    """Which file a master was told to read, by its command line."""
    prefix = re.search(r" -p (\S+)", words)
    told = re.search(r" -c (\S+)", words)
    return Path(prefix[1] if prefix else "/usr/share/nginx") / told[1] if told else USUAL


def _is_contained(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    # One number for each namespace of processes that it has an id in (proc(5)).
    return any(line.startswith("NSpid:") and len(line.split()) > 2 for line in status.splitlines())


class _Reader:
    """Follows includes, which are named from the main file's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._left = MOST_CHARACTERS

    def file(self, path: Path, *, depth: int) -> Iterator[Directive]:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise CannotLookError(f"nginx's {path}: {error.strerror}") from None
        self._left -= len(text)
        if depth > DEEPEST_INCLUDE or self._left < 0:
            raise CannotLookError(f"nginx's {path}: includes too much")
        return self._directives(path, _tokens(text), depth)

    def _directives(self, path: Path, tokens: Iterator[tuple[int, str, bool]], depth: int) -> Iterator[Directive]:
        words: list[str] = []
        begun = 0
        for line, piece, is_mark in tokens:
            if not is_mark:
                begun = begun if words else line
                words.append(piece)
            elif piece == "}":
                return
            elif words:
                inner = tuple(self._directives(path, tokens, depth)) if piece == "{" else ()
                yield from self._including(Directive(words[0], tuple(words[1:]), inner, f"{path}:{begun}"), depth)
                words = []

    def _including(self, directive: Directive, depth: int) -> Iterator[Directive]:
        if directive.name != "include" or len(directive.arguments) != 1:
            yield directive
            return
        pattern = self._directory / directive.arguments[0]
        for file in sorted(pattern.parent.glob(pattern.name)):
            yield from self.file(file, depth=depth + 1)


def _tokens(text: str) -> Iterator[tuple[int, str, bool]]:
    """Line, text, and whether it is one of `;{}`."""
    line = 1
    for found in _TOKEN.finditer(text):
        if mark := found["mark"]:
            yield line, mark, True
        elif quoted := found["quoted"]:
            yield line, _ESCAPED.sub(r"\1", quoted[1:-1]), False
        elif word := found["word"]:
            yield line, _ESCAPED.sub(r"\1", word), False
        line += found[0].count("\n")
