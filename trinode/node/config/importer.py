"""Command lines and environment files of op-node and op-geth → a configuration file, with a comment for what has no counterpart."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from trinode.node.config.model import NodeConfig
from trinode.node.config.option import FLAG_PREFIXES, ConfigError, Option, one_line
from trinode.node.config.peers import CONVERSIONS, FLAGS, OP_GETH, OP_NODE, PeerFlag, find_flag, find_variable, without_unknown_namespaces
from trinode.node.config.read import read_config
from trinode.node.config.table import BY_NAME, OPTIONS
from trinode.node.config.table_servers import NAMESPACES
from trinode.node.config.toml_file import ConfigFile
from trinode.node.config.values import BadValue

_PROGRAMS = {"op-node": OP_NODE, "geth": OP_GETH, "op-geth": OP_GETH}
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_SHELL_VARIABLE = re.compile(r"\$[A-Za-z_{(]")


@dataclass
class _Import:
    """What has been read so far: the texts by option, notes for the reader, and which programs there were."""

    texts: dict[Option, tuple[str, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)

    def add_program(self, program: str) -> None:
        if program not in self.programs:
            self.programs.append(program)


def import_settings(sources: Sequence[str]) -> str:
    """The text of a trinode TOML file.

    Each source is the text of an environment file (NAME=value lines) or a command line. Flags go before variables.
    Raises ConfigError for names that the programs do not have, and for values that cannot be meant here.
    """
    read = _Import()
    for source in sorted(sources, key=_is_environment):  # what is set first stays
        if _is_environment(source):
            _read_environment(read, source)
        else:
            _read_command_line(read, source)
    if not read.programs:
        raise ConfigError("nothing of op-node or op-geth in there: give a command line, or OP_NODE_* or GETH_* variables")
    _add_meaning_of_absence(read)
    text = _toml(read.texts)
    return _heading(read, text) + text


def _words(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    if any(_SHELL_VARIABLE.search(line) for line in lines):
        raise ConfigError("there is a shell variable ($...) in it: put its value in its place first")
    try:
        return shlex.split(" ".join(line.removesuffix("\\") for line in lines))
    except ValueError as error:
        raise ConfigError(f"not a command line: {error}") from error


def _is_environment(text: str) -> bool:
    lines = [line.strip() for line in text.splitlines()]
    written = [line for line in lines if line and not line.startswith("#")]
    return all(_ASSIGNMENT.match(line) for line in written) and not any(re.search(r"(^|\s)-{1,2}[a-z]", line) for line in written)


def _read_environment(read: _Import, text: str) -> None:
    for line in text.splitlines():
        match = _ASSIGNMENT.fullmatch(line.strip())
        if match is not None:
            _add_variable(read, match[1], " ".join(_words(match[2])))


def _add_variable(read: _Import, variable: str, value: str) -> None:
    program = next((program for program, prefix in FLAG_PREFIXES.items() if variable.startswith(prefix)), None)
    if program is None:
        read.notes.append(f"{variable}: not a variable of op-node or op-geth")
        return
    read.add_program(program)
    flag = find_variable(program, variable)
    if value:
        _add(read, program, flag, variable, value)


def _read_command_line(read: _Import, text: str) -> None:
    words = _words(text)
    assignments = []
    while words and not words[0].startswith("-") and (match := _ASSIGNMENT.fullmatch(words[0])):
        assignments.append((match[1], match[2]))
        words = words[1:]
    if words:
        program = _program(words)
        read.add_program(program)
        _read_flags(read, program, words if words[0].startswith("-") else words[1:])
    for variable, value in assignments:
        _add_variable(read, variable, value)


def _program(words: list[str]) -> str:
    """The program that a command line runs: its first word, or the one that has all the flags."""
    name = words[0].rpartition("/")[2]
    if name in _PROGRAMS:
        return _PROGRAMS[name]
    names = [word.lstrip("-").partition("=")[0] for word in words if word.startswith("-")]
    fitting = [program for program, flags in FLAGS.items() if names and all(name in flags for name in names)]
    if not words[0].startswith("-") or len(fitting) != 1:
        raise ConfigError(f"is {words[0]!r} op-node or op-geth? Begin the command line with the program's name")
    return fitting[0]


def _read_flags(read: _Import, program: str, words: list[str]) -> None:
    """As Go's flag libraries do: `--name value`, `--name=value`, `-name value`; a boolean's value only after `=`."""
    seen: dict[str, list[str]] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word in ("-", "--"):
            raise ConfigError(f"{program}: {word[:40]!r} is not a flag: give the command that runs the node, without subcommands")
        name, equals, value = word.lstrip("-").partition("=")
        flag = find_flag(program, name)
        if not equals:
            following = "true" if flag.is_boolean else next(rest, None)
            if following is None:
                raise ConfigError(f"{program}: --{name} has no value")
            value = following
        seen.setdefault(name, []).append(value)
    for name, values in seen.items():
        flag = find_flag(program, name)
        is_list = flag.option is not None and flag.option.many
        _add(read, program, flag, f"--{name}", ",".join(values) if is_list else values[-1])


def _add(read: _Import, program: str, flag: PeerFlag, given_as: str, text: str) -> None:
    """Takes a value over, or notes why not; `text` has commas between the elements of a list."""
    option = flag.option
    if option is None:
        read.notes.append(f"{given_as}: {flag.reason}")
        return
    text = CONVERSIONS.get((program, flag.name), str)(text)
    texts = tuple(part.strip() for part in text.split(",") if part.strip()) if option.many else (text,)
    if option.kind is NAMESPACES:
        texts, others = without_unknown_namespaces(texts)
        read.notes += [f"{given_as}: there is no namespace {other} here" for other in others]
    try:
        values = [option.kind.parse(part) for part in texts]
    except BadValue as error:
        raise ConfigError(f"{given_as}: {error}") from error
    before = read.texts.setdefault(option, texts)
    if [option.kind.parse(part) for part in before] != values:
        read.notes.append(f"{given_as}: another value was given for {option.name} before, and stays")


def _add_meaning_of_absence(read: _Import) -> None:
    """Where the other program does something else when it is told nothing."""
    if OP_GETH in read.programs:
        for name in ("http", "ws"):
            if BY_NAME[name] not in read.texts:
                read.texts[BY_NAME[name]] = ("false",)
                read.notes.append(f"{name}.enabled: op-geth does not serve it unless --{name} is given")
        read.notes.append("authrpc: op-geth always serves the Engine API; set authrpc.enabled if another rollup node is to drive this one")
    if OP_NODE in read.programs and BY_NAME["rpc.addr"] not in read.texts:
        read.notes.append("rpc.addr: op-node listens at 0.0.0.0 unless told; this node at 127.0.0.1")


def _toml(texts: dict[Option, tuple[str, ...]]) -> str:
    """The options, table by table; those without a table come first, as TOML wants it."""
    tables: dict[str, list[str]] = {}
    for option in OPTIONS:
        if option in texts:
            table, _, key = option.file_key.rpartition(".")
            tables.setdefault(table, []).append(f"{key} = {_toml_value(option, texts[option])}")
    blocks = [*tables.pop("", [])]
    for table, lines in tables.items():
        blocks += ["", f"[{table}]", *lines]
    return "\n".join(blocks).lstrip("\n") + "\n"


def _toml_value(option: Option, texts: tuple[str, ...]) -> str:
    written = [
        option.kind.show(option.kind.parse(text)) if option.kind.bare else json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
        for text in texts
    ]
    return f"[{', '.join(written)}]" if option.many else written[0]


def _heading(read: _Import, text: str) -> str:
    notes = list(read.notes)
    if len(read.programs) == len(FLAG_PREFIXES) and BY_NAME["l2"] in read.texts:
        notes.append("l2: keeps op-geth as the engine; leave l2 and l2.jwt-secret out, and this node executes blocks itself")
    lines = [f"# Imported from {' and '.join(sorted(read.programs, reverse=True))} by trinode config import."]
    problem = _problem(text)
    if problem is not None:
        lines += [f"# To do: {problem}"]
    if notes:
        lines += ["#", "# Not taken over as it was:", *(f"#   {one_line(note)}" for note in notes)]
    return "\n".join(lines) + "\n\n"


def _problem(text: str) -> str | None:
    """What `read_config` says of the file, if it refuses it."""
    try:
        config: NodeConfig = read_config({}, {}, ConfigFile("the file", text))
    except ConfigError as error:
        return str(error)
    return None if not config.chain.is_devnet else "no chain: add network or rollup.config (without, an embedded devnet runs)"
