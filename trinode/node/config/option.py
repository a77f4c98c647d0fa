"""An option: one row of the table that flags, environment variables, TOML keys, importer and manual are made of."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from trinode.node.config.values import Kind

ENVIRONMENT_PREFIX = "TRINODE_"
FLAG_PREFIXES = {"op-node": "OP_NODE_", "op-geth": "GETH_"}
"""The programs whose options can be imported, and how their environment variables begin."""


class ConfigError(ValueError):
    """The configuration cannot be used. The message is one line: where, what, and the remedy; no secrets."""

    def __init__(self, problem: str) -> None:
        super().__init__(one_line(problem))


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    `name` is the flag without dashes. `default` is a text of the kind, of all elements if there are `many`; None: nothing
    is set, and `unset` says what that means. `field` is its place in NodeConfig, `section.name`. `key` is its place in
    the TOML file; it differs from the name where the name is also a table's. `op_node` and `op_geth` are the flags there
    that mean the same.
    """

    name: str
    field: str
    kind: Kind
    help: str
    default: str | None = None
    unset: str = "-"
    many: bool = False
    key: str = ""
    op_node: tuple[str, ...] = ()
    op_geth: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + variable_part(self.name)

    @property
    def file_key(self) -> str:
        """The dotted key in the TOML file."""
        return self.key or self.name

    @property
    def section(self) -> str:
        """The part of NodeConfig that it is in."""
        return self.field.partition(".")[0]


def one_line(text: str) -> str:
    """The text with `?` for what is not printable: names that users give may have anything in them."""
    return "".join(character if character.isprintable() else "?" for character in text)


def variable_part(flag: str) -> str:
    """The flag as environment variables spell it: `l1.rpc-rate-limit` is L1_RPC_RATE_LIMIT."""
    return flag.replace(".", "_").replace("-", "_").upper()


def nearest(name: str, names: list[str]) -> str:
    """`; did you mean X?` for the name that resembles it most, or nothing."""
    found = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""
