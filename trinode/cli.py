"""The `trinode` command."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from trinode.node.config import ConfigError, ConfigFile, NodeConfig, config_path, import_settings, read_config, show_json, show_text
from trinode.node.config.command_line import given, node_options, with_boolean_values
from trinode.rollup.chains import Chain, UnknownChainError, find_chain, known_chains
from trinode.rollup.config import RollupConfig, RollupConfigError, parse_rollup_config
from trinode.rollup.l1_chain import L1_CHAIN_NAMES

_LONGEST_KEY_TEXT = 1024
"""Characters of a key in hex, and of whatever blanks are around it."""


class BadInputError(click.ClickException):
    """What the user gave cannot be used; the message is one line."""

    exit_code = 2


def _print_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    try:
        click.echo(f"trinode {version('trinode')}")
    except PackageNotFoundError:
        click.echo("trinode (not installed)")
    context.exit()


class NodeCommand(click.Command):
    """A command with the node's options. What is wrong with the command line is said in one line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, with_boolean_values(args))
        except click.UsageError as error:
            raise BadInputError(error.format_message()) from error


class NodeGroup(NodeCommand, click.Group):
    """The node itself, with other commands below it."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise BadInputError(error.format_message()) from error


@click.group(cls=NodeGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@node_options
@click.pass_context
def main(context: click.Context, /, **parameters: Any) -> None:
    """An OP Stack node in one process: it derives a chain from L1 and executes it, and can sequence it and post its batches.

    \b
    A devnet with an L1 of its own, ready for transactions:
      trinode --datadir DIR
    A verifier; genesis.json is needed at the first start:
      trinode --network op-sepolia --genesis genesis.json --l1 URL --l1.beacon URL --datadir DIR
    A sequencer and batcher:
      trinode --rollup.config FILE --genesis FILE --l1 URL --l1.beacon URL --datadir DIR --sequencer.enabled --batcher.key FILE
    An engine that op-node drives:
      trinode --rollup.config FILE --genesis FILE --datadir DIR --authrpc --authrpc.jwtsecret FILE

    Options are also read from TRINODE_* variables and from a TOML file (--config); `trinode config show` says where each value comes from.
    """
    if context.invoked_subcommand is None:
        _run(load_node_config(given(parameters)))


def _run(config: NodeConfig) -> None:
    # Imported here: the other commands need none of it, and would wait a second for it.
    from trinode.node.run import NodeStopped, run_node  # noqa: PLC0415
    from trinode.node.start import StartError  # noqa: PLC0415

    try:
        run_node(config)
    except StartError as error:
        raise BadInputError(str(error)) from error
    except NodeStopped as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def networks(as_json: bool) -> None:
    """List the networks that are built in, with the next fork of each."""
    now = int(datetime.now(UTC).timestamp())
    rows = [_network_row(chain, now) for chain in known_chains()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    header = ("NAME", "CHAIN ID", "L1", "NEXT FORK", "ALSO KNOWN AS")
    table = [header] + [
        (row["name"], str(row["chain_id"]), row["l1"], _next_fork_text(row["next_fork"]), ", ".join(row["aliases"][1:]))
        for row in rows  # the first alias is the chain id
    ]
    widths = [max(len(line[column]) for line in table) for column in range(len(header))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _network_row(chain: Chain, now: int) -> dict[str, Any]:
    next_fork = chain.config.next_fork(after=now)
    l1_chain_id = chain.config.l1_chain_id
    return {
        "name": chain.name,
        "title": chain.title,
        "aliases": list(chain.aliases),
        "chain_id": chain.chain_id,
        "l1": L1_CHAIN_NAMES.get(l1_chain_id, str(l1_chain_id)),
        "l1_chain_id": l1_chain_id,
        "superchain": chain.superchain,
        "data_availability": chain.data_availability,
        "gas_paying_token": None if chain.gas_paying_token is None else "0x" + chain.gas_paying_token.hex(),
        "next_fork": None if next_fork is None else {"name": next_fork[0].label, "time": next_fork[1]},
    }


def _next_fork_text(next_fork: dict[str, Any] | None) -> str:
    if next_fork is None:
        return "-"
    return f"{next_fork['name']} {datetime.fromtimestamp(next_fork['time'], UTC):%Y-%m-%d %H:%M:%S} UTC"


@main.command("rollup-config")
@click.argument("source", metavar="NETWORK|FILE")
def rollup_config(source: str) -> None:
    """Check a rollup.json file, or a built-in network's configuration, and print it."""
    config = load_rollup_config(source)
    click.echo(json.dumps(config.to_json(), indent=2))
    for name in config.unknown_fork_times:
        click.echo(f"warning: {name} looks like a fork that this version does not know", err=True)


def load_rollup_config(source: str) -> RollupConfig:
    """The configuration of a built-in network, or else of a rollup.json file. Raises BadInputError."""
    try:
        return find_chain(source).config
    except UnknownChainError as error:
        hint = f"; did you mean {error.nearest}?" if error.nearest else " (trinode networks lists the networks)"
    path = Path(source)
    if not path.exists():
        raise BadInputError(f"{source!r} is no network and no file{hint}")
    try:
        return parse_rollup_config(json.loads(path.read_bytes()))
    except OSError as error:
        raise BadInputError(f"{source}: {error.strerror}") from error
    except RollupConfigError as error:
        raise BadInputError(f"{source}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{source}: not JSON: {error}") from error


@main.group()
def config() -> None:
    """The node's configuration (docs/configuration.md)."""


@config.command("show", cls=NodeCommand)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@node_options
def config_show(as_json: bool, **parameters: Any) -> None:
    """Show every option's value, without secrets, and where it comes from."""
    found = load_node_config(given(parameters))
    click.echo(show_json(found) if as_json else show_text(found))


@config.command("import", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("source", nargs=-1, required=True, type=click.UNPROCESSED, metavar="FILE...|COMMANDLINE")
def config_import(source: tuple[str, ...]) -> None:
    """Make a configuration file of op-node's and op-geth's flags or environment files, and print it.

    A FILE has a command line, or OP_NODE_* or GETH_* variables. A COMMANDLINE is one text, or the words themselves.
    """
    files = [Path(word) for word in source]
    try:
        if all(path.is_file() for path in files):
            texts = [_read_text(str(path)) for path in files]
        else:
            texts = [source[0] if len(source) == 1 else shlex.join(source)]
        click.echo(import_settings(texts), nl=False)
    except ConfigError as error:
        raise BadInputError(str(error)) from error


@main.group()
def p2p() -> None:
    """Keys of the peer-to-peer network (docs/p2p.md)."""


@p2p.command()
def genkey() -> None:
    """Make a private key, and print it: 64 hex digits, for p2p.priv.path."""
    from coincurve import PrivateKey  # noqa: PLC0415 - other commands need none of it

    click.echo(PrivateKey().secret.hex())


@p2p.command()
def priv2id() -> None:
    """Read a private key in hex from standard input, and print the peer id of its node."""
    from trinode.p2p.identity import Identity, show_peer_id  # noqa: PLC0415

    try:
        click.echo(show_peer_id(Identity(_hex_from_input(32)).peer_id))
    except ValueError as error:
        raise BadInputError("that is no private key: 64 hex digits are") from error


@p2p.command()
def pub2id() -> None:
    """Read a public key in hex (secp256k1, compressed or not) from standard input, and print the peer id of its node."""
    from coincurve import PublicKey as Secp256k1PublicKey  # noqa: PLC0415

    from trinode.p2p.identity import SECP256K1, PublicKey, show_peer_id  # noqa: PLC0415

    try:
        key = Secp256k1PublicKey(_hex_from_input(33, 65))
    except ValueError as error:
        raise BadInputError("that is no public key: 66 or 130 hex digits are") from error
    click.echo(show_peer_id(PublicKey(SECP256K1, key.format()).peer_id))


def _hex_from_input(*sizes: int) -> bytes:
    """Raises ValueError: not hex, or of another size."""
    found = bytes.fromhex(sys.stdin.read(_LONGEST_KEY_TEXT).strip().removeprefix("0x"))
    if len(found) not in sizes:
        raise ValueError(f"{len(found)} bytes")
    return found


def load_node_config(arguments: Mapping[str, Sequence[str]]) -> NodeConfig:
    """The configuration by flags, this process's environment, and the file that these name. Raises BadInputError."""
    try:
        path = config_path(arguments, os.environ)
        return read_config(arguments, os.environ, None if path is None else ConfigFile(path, _read_text(path)))
    except ConfigError as error:
        raise BadInputError(str(error)) from error


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path}: not UTF-8 text") from error


if __name__ == "__main__":
    main()
