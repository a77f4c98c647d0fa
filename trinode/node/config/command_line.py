"""The table of options as click options, for any command that takes the node's configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from trinode.node.config.table import OPTIONS
from trinode.node.config.values import BOOLEAN

Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)

_BOOLEAN_FLAGS = {option.flag for option in OPTIONS if option.kind is BOOLEAN}
_PARAMETERS = {option.name.replace(".", "_").replace("-", "_"): option.name for option in OPTIONS}


def node_options(command: Command) -> Command:
    """Adds all options to a click command, as in `@click.option`. `given` picks them out of its keyword arguments."""
    for (parameter, _), option in reversed(list(zip(_PARAMETERS.items(), OPTIONS, strict=True))):
        words = f" ({', '.join(option.kind.choices)})" if option.kind.choices else ""
        default = f" [{option.default}]" if option.default is not None else ""
        decorate = click.option(option.flag, parameter, multiple=True, metavar=option.kind.name, help=f"{option.help}{words}{default}")
        command = decorate(command)
    return command


def given(parameters: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What click read of the node's options, as `read_config` wants it."""
    return {_PARAMETERS[name]: values for name, values in parameters.items() if name in _PARAMETERS and values}


def with_boolean_values(arguments: Sequence[str]) -> list[str]:
    """A boolean flag without a value is true; it never takes the next word for its value, as in op-node and op-geth."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [f"{word}=true" if word in _BOOLEAN_FLAGS else word for word in arguments[:end]] + list(arguments[end:])
