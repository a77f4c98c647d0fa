"""Flags, environment and file → NodeConfig. Pure: whoever calls has read the environment and the file.

A flag goes before the environment, that before the file, that before the default. A name that is not known is refused,
with the one that resembles it most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_type_hints

from trinode.node.config.check import check
from trinode.node.config.model import DEFAULT, NodeConfig, Setting
from trinode.node.config.option import ENVIRONMENT_PREFIX, ConfigError, Option, nearest
from trinode.node.config.table import BY_NAME, OPTIONS
from trinode.node.config.toml_file import ConfigFile, Entry, read_entries
from trinode.node.config.values import BadValue

_OTHER_VARIABLES = {"TRINODE_PEERS"}  # the harness's: where programs of other teams are
_BY_VARIABLE = {option.variable: option for option in OPTIONS}
_BY_KEY = {option.file_key: option for option in OPTIONS if option.name != "config"}
_TABLES = {key[:index] for key in _BY_KEY for index, character in enumerate(key) if character == "."}


class _Given(NamedTuple):
    """What was given for an option: the texts of its elements, and where."""

    texts: tuple[str, ...]
    source: str


def read_config(arguments: Mapping[str, Sequence[str]], environment: Mapping[str, str], file: ConfigFile | None = None) -> NodeConfig:
    """The configuration.

    `arguments`: the values of each flag that was given, by its name without dashes; booleans too have a value. Variables
    of the environment that do not begin with TRINODE_ are not looked at, nor are empty ones. Raises ConfigError.
    """
    given: dict[str, _Given] = {}
    if file is not None:
        given |= _from_file(file)
    given |= _from_environment(environment)
    given |= _from_arguments(arguments)
    return _build(_implied([_setting(option, given.get(option.name)) for option in OPTIONS]))


def config_path(arguments: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> str | None:
    """Which file `read_config` is to be given, if any. Raises ConfigError."""
    option = BY_NAME["config"]
    given = _from_environment({option.variable: environment.get(option.variable, "")})
    given |= _from_arguments({option.name: arguments.get(option.name, ())})
    found = given.get(option.name)
    return None if found is None else str(_setting(option, found).value)


def _split(option: Option, texts: Iterable[str]) -> tuple[str, ...]:
    """The elements of a list that is written with commas."""
    if not option.many:
        return tuple(texts)
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def _from_arguments(arguments: Mapping[str, Sequence[str]]) -> dict[str, _Given]:
    given = {}
    for name, texts in arguments.items():
        if name not in BY_NAME:
            raise ConfigError(f"--{name} is no option{nearest('--' + name, [option.flag for option in OPTIONS])}")
        option = BY_NAME[name]
        if len(texts) > 1 and not option.many:
            raise ConfigError(f"{option.flag} is given {len(texts)} times: give it once")
        if texts:
            given[name] = _Given(_split(option, texts), option.flag)
    return given


def _from_environment(environment: Mapping[str, str]) -> dict[str, _Given]:
    given = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in _OTHER_VARIABLES:
            continue
        option = _BY_VARIABLE.get(variable)
        if option is None:
            raise ConfigError(f"the environment variable {variable} is no option{nearest(variable, list(_BY_VARIABLE))}")
        if text:
            given[option.name] = _Given(_split(option, (text,)), variable)
    return given


def _from_file(file: ConfigFile) -> dict[str, _Given]:
    given = {}
    for entry in read_entries(file):
        place = f"{file.path}:{entry.line}"
        option = _BY_KEY.get(entry.key)
        if option is not None:
            given[option.name] = _Given(_texts(option, entry, place), place)
        elif not (entry.key in _TABLES and entry.value == {}):
            raise ConfigError(f"{place}: {entry.key} {_why_no_key(entry.key)}")
    return given


def _why_no_key(key: str) -> str:
    if key in _TABLES:
        return f"is a table, with keys such as {next(name for name in _BY_KEY if name.startswith(key + '.'))}"
    if key == "config":
        return "cannot be in the file: it names it"
    by_flag = BY_NAME.get(key)
    return f"is no option{nearest(key, list(_BY_KEY))}" if by_flag is None else f"is written {by_flag.file_key} in files"


def _texts(option: Option, entry: Entry, place: str) -> tuple[str, ...]:
    """A TOML value as the texts that flags would have."""
    if isinstance(entry.value, list):
        if not option.many:
            raise ConfigError(f"{place}: {entry.key} has one value, not a list")
        return tuple(_text(value, entry.key, place) for value in entry.value)
    return _split(option, (_text(entry.value, entry.key, place),))


def _text(value: object, key: str, place: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 64:
        raise ConfigError(f"{place}: {key} is too large a number (keys and hashes need quotes)")
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, float):
        return f"{value:.9f}".rstrip("0").rstrip(".")
    raise ConfigError(f"{place}: {key} cannot be a TOML {type(value).__name__}")


def _setting(option: Option, given: _Given | None) -> Setting:
    if given is None:
        given = _Given(() if option.default is None else _split(option, (option.default,)), DEFAULT)
    try:
        values = tuple(option.kind.parse(text) for text in given.texts)
    except BadValue as error:
        name = "" if given.source in (option.flag, option.variable) else f" {option.file_key}:"
        raise ConfigError(f"{given.source}:{name} {error}") from error
    return Setting(option, values if option.many else values[0] if values else None, given.source)


def _implied(settings: list[Setting]) -> tuple[Setting, ...]:
    """Settings that were not given, where others imply another value than the default."""
    by_name = {setting.option.name: setting for setting in settings}

    def has(name: str) -> bool:
        return by_name[name].value not in (None, ())

    implied: dict[str, tuple[Any, str]] = {}
    if has("l2"):
        implied["engine"] = ("external", "because l2 is set")
    elif has("l2.witness"):
        implied["engine"] = ("stateless", "because l2.witness is set")
    if not has("network") and not has("rollup.config"):
        implied["sequencer.enabled"] = (True, "because it is a devnet")
        implied["p2p.disable"] = (True, "because it is a devnet")
    elif by_name["authrpc"].value:
        implied["p2p.disable"] = (True, "because authrpc is set")
    return tuple(
        Setting(setting.option, *implied[setting.option.name], is_implied=True) if setting.is_default and setting.option.name in implied else setting
        for setting in settings
    )


def _build(settings: tuple[Setting, ...]) -> NodeConfig:
    parts: dict[str, dict[str, Any]] = {}
    for setting in settings:
        section, _, field = setting.option.field.partition(".")
        parts.setdefault(section, {})[field] = setting.value
    types = get_type_hints(NodeConfig)
    config = NodeConfig(**{section: types[section](**fields) for section, fields in parts.items()}, settings=settings)
    check(config)
    return config
