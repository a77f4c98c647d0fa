"""The `trinode` command."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from trinode.rollup.chains import Chain, UnknownChainError, find_chain, known_chains
from trinode.rollup.config import RollupConfig, RollupConfigError, parse_rollup_config
from trinode.rollup.l1_chain import L1_CHAIN_NAMES


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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """An OP Stack node."""


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


if __name__ == "__main__":
    main()
