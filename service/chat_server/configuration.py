"""From config.toml and the environment to a checked Config, or one line that says what to repair."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import FieldInfo, replace

from chat_server.config import SECRETS, Config
from chat_server.configuration_checks import Mistake, check, shown, signing_secret
from chat_server.secret_file import write_secret

INSTALLED = Path("/opt/chat-server/config.toml")
ENVIRONMENT_PREFIX = "CHAT_SERVER_"

SECTIONS: Mapping[str, Mapping[str, FieldInfo]] = {
    section.name: {field.name: field for field in msgspec.structs.fields(section.type)}
    for section in msgspec.structs.fields(Config)
}


class ConfigurationError(Exception):
    """The server must not start with this configuration.

    Its text is one line: the file or environment variable, the key, what is wrong, what to do.
    """

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(" ".join(f"{where}: {problem}; {remedy}".split()))


@dataclass(frozen=True, slots=True)
class Setting:
    """One key as somebody wrote it, and where: a file's path or an environment variable's name."""

    source: str
    section: str
    key: str
    value: object
    from_environment: bool = False

    def mistake(self, problem: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(self.source, f"[{self.section}] {self.key} {problem}", remedy)

    def typed(self) -> object:
        """The value as its field's type. Raises ConfigurationError."""
        field_type = SECTIONS[self.section][self.key].type
        value = _listed(self) if self.from_environment and self._is_list() else self.value
        try:
            return msgspec.convert(value, field_type, strict=not self.from_environment)
        except msgspec.ValidationError:
            raise self.mistake(self._as_written(), f"give {expectation(field_type)}") from None

    def _is_list(self) -> bool:
        return isinstance(SECTIONS[self.section][self.key].default, tuple)

    def _as_written(self) -> str:
        if (self.section, self.key) in SECRETS:
            return "has the wrong type"
        return f"is {shown(self.value)}"


def default_path(installed: Path = INSTALLED) -> Path:
    """Where the configuration is when nobody names a file: the installed one, else ./config.toml."""
    try:
        present = installed.exists()
    except PermissionError:
        present = True  # and `load` says that it can't be read
    return installed if present else Path("config.toml")


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration in `path`, overridden by `CHAT_SERVER_<SECTION>__<KEY>` variables of `environ`.

    Its networks and origins are valid, so their users may call `ipaddress.ip_network` without care, and
    `auth.jwt_secret` holds the secret also where `jwt_secret_file` named it. Raises ConfigurationError.
    """
    given = _Given.read(path, environ)
    with given.naming_mistakes():
        secret = signing_secret(given.config.auth)
    return replace(given.config, auth=replace(given.config.auth, jwt_secret=secret))


def load_without_secret(path: Path, environ: Mapping[str, str]) -> Config:
    """As `load`, for who signs nothing: the secret may be missing, weak, or in a file that only the server can read."""
    return _Given.read(path, environ).config


def create_secret(path: Path, environ: Mapping[str, str]) -> Path | None:
    """Writes a fresh secret to where `auth.jwt_secret_file` says; gives the file, or None where it was there already.

    The configuration is read as by `load`, and nothing is written where something else is wrong with it.
    Raises ConfigurationError.
    """
    given = _Given.read(path, environ)
    with given.naming_mistakes():
        return write_secret(given.config.auth)


@dataclass(frozen=True, slots=True)
class _Given:
    """A configuration in which all is right but perhaps the secret, and who said what, for messages."""

    path: Path
    settings: Mapping[tuple[str, str], Setting]
    config: Config

    @classmethod
    def read(cls, path: Path, environ: Mapping[str, str]) -> _Given:
        settings = {(setting.section, setting.key): setting for setting in _in_file(path)}
        settings |= {(setting.section, setting.key): setting for setting in _in_environment(environ)}
        sections: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
        for setting in settings.values():
            sections[setting.section][setting.key] = setting.typed()
        given = cls(path, settings, msgspec.convert(sections, Config))
        with given.naming_mistakes():
            check(given.config)
        return given

    @contextmanager
    def naming_mistakes(self) -> Iterator[None]:
        """A Mistake within becomes a ConfigurationError that names where its key was written."""
        try:
            yield
        except Mistake as mistake:
            place = (mistake.section, mistake.key)
            setting = self.settings.get(place) or Setting(str(self.path), *place, value=None)
            raise setting.mistake(mistake.problem, mistake.remedy) from None


def expectation(field_type: Any) -> str:  # noqa: ANN401  a type form, for which Python 3.11 has no type
    """In words, what a key of this type takes."""
    match msgspec.inspect.type_info(field_type):
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(shown(value) for value in values)
        case msgspec.inspect.VarTupleType():
            return 'a list of texts, such as ["first", "second"]'
        case _:
            return "a text in quotes"


def _in_file(path: Path) -> list[Setting]:
    settings = []
    for section, table in _parsed(path).items():
        if section not in SECTIONS:
            raise ConfigurationError(str(path), *_unknown_section(section))
        if not isinstance(table, dict):
            raise ConfigurationError(
                str(path),
                f"{section} is {shown(table)}",
                f"it is a section: write [{section}] and its keys below",
            )
        for key, value in table.items():
            if key not in SECTIONS[section]:
                raise ConfigurationError(str(path), *_unknown_key(section, key))
            settings.append(Setting(str(path), section, key, value))
    return settings


def _in_environment(environ: Mapping[str, str]) -> list[Setting]:
    settings = []
    for variable, text in environ.items():
        section, separator, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        # Kubernetes sets names like CHAT_SERVER_PORT for a service of ours; keys have the two underscores.
        if not variable.startswith(ENVIRONMENT_PREFIX) or not separator:
            continue
        source = f"environment variable {variable}"
        if section not in SECTIONS:
            raise ConfigurationError(source, *_unknown_section(section))
        if key not in SECTIONS[section]:
            raise ConfigurationError(source, *_unknown_key(section, key))
        if text:
            settings.append(Setting(source, section, key, text, from_environment=True))
    return settings


def _parsed(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            str(path),
            "there is no such file",
            "write it after config.example.toml, or name another with --config",
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(str(path), "is not UTF-8 text", "save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(
            str(path), f"cannot be read: {error.strerror}", f"let the server's user read it: see ls -l {path}"
        ) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = str(error).replace("at end of document", f"at line {len(text.splitlines())}, the last")
        what, _, where = problem.rpartition(" (at ")
        raise ConfigurationError(str(path), f"{where.rstrip(')')}: {what}", "correct that line") from None


def _listed(setting: Setting) -> object:
    """A variable's list: TOML's brackets, or parts between commas."""
    text = str(setting.value)
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tomllib.loads(f"list = {text}")["list"]
    except tomllib.TOMLDecodeError:
        raise setting.mistake(f"is {shown(text)}", "give first,second or a list as in TOML") from None


def _unknown_section(section: str) -> tuple[str, str]:
    """What is wrong, and what to do."""
    homes = [name for name, keys in SECTIONS.items() if section in keys]
    if homes:
        return f"{section} stands in no section", f"write it below [{homes[0]}]"
    close = get_close_matches(section, SECTIONS, n=1)
    remedy = f"did you mean [{close[0]}]?" if close else f"there are {', '.join(SECTIONS)}"
    return f"[{_printable(section)}] is no section", remedy


def _unknown_key(section: str, key: str) -> tuple[str, str]:
    """What is wrong, and what to do."""
    homes = [name for name, keys in SECTIONS.items() if key in keys]
    close = get_close_matches(key, SECTIONS[section], n=1)
    if homes:
        remedy = f"it belongs to [{homes[0]}]"
    elif close:
        remedy = f"did you mean {close[0]}?"
    else:
        remedy = f"[{section}] has {', '.join(SECTIONS[section])}"
    return f"[{section}] {_printable(key)} is no key", remedy


def _printable(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else shown(name)
