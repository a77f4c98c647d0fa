"""The configuration file: TOML, whose dotted keys are the options' names, with the line of each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from trinode.node.config.option import ConfigError

MOST_BYTES = 1 << 16  # far more than any configuration; what is longer was given by mistake


class ConfigFile(NamedTuple):
    """A file that was read: its path as the user gave it, and its text."""

    path: str
    text: str


class Entry(NamedTuple):
    """A value of the file: its dotted key, the value as TOML has it, and the line where it begins."""

    key: str
    value: object
    line: int


def read_entries(file: ConfigFile) -> list[Entry]:
    """The file's values in order. A table's beginning is one too, `{}`, so that its name is looked at. Raises ConfigError."""
    if len(file.text) > MOST_BYTES:
        raise ConfigError(f"{file.path}: too large for a configuration file")
    text = file.text.replace("\r\n", "\n")
    try:
        tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number with too many digits
        raise ConfigError(f"{file.path}: not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{file.path}: nested too deeply") from error
    return list(_entries(text))


def _entries(text: str) -> Iterator[Entry]:
    """Statement by statement: the first lines that parse on their own are one, as the whole file is known to parse."""
    header, statement, first_line = "", "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += line + "\n"
        is_header = statement.lstrip().startswith("[")
        parsed = _parse(statement if is_header else header + statement)
        if parsed is None:
            continue
        header = statement if is_header else header
        yield from (Entry(key, value, first_line) for key, value in _leaves(parsed, ""))
        statement, first_line = "", number + 1


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None  # a part of a statement


def _leaves(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
