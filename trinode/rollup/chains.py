"""The chains of the superchain registry: facts in package data, read once.

`data/chains.json` has one chain a line. What all of them share is here: Regolith at genesis, Bedrock's channel timeout.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from trinode.protocol.types import Address
from trinode.rollup.config import RollupConfig, parse_rollup_config

_CHANNEL_TIMEOUT = 300
_LEGACY_NAMES = {
    "op-mainnet": ("mainnet", "optimism"),
    "op-sepolia": ("sepolia", "optimism-sepolia"),
}
"""What op-node and others also call them."""


class UnknownChainError(LookupError):
    """No chain of that name, alias or chain id; `nearest` is a name or alias that resembles it."""

    def __init__(self, name: str, nearest: str | None) -> None:
        super().__init__(name, nearest)
        self.name = name
        self.nearest = nearest

    def __str__(self) -> str:
        return f"unknown network {self.name!r}" + (f"; did you mean {self.nearest}?" if self.nearest else "")


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of the registry. `name` is op-node's network name, such as `op-mainnet`; `aliases` are understood too.

    `data_availability` is `eth-da` or `alt-da` (without `config.alt_da` where the registry does not say how);
    `gas_paying_token` is the L1 address of a custom gas token; from `superchain_time` on, if it is not None, the chain
    follows the superchain's fork times.
    """

    name: str
    title: str
    superchain: str
    aliases: tuple[str, ...]
    config: RollupConfig
    data_availability: str
    sequencer_rpc: str | None = None
    gas_paying_token: Address | None = None
    superchain_time: int | None = None

    @property
    def chain_id(self) -> int:
        return self.config.l2_chain_id


def chain_by_name(name: str | int) -> RollupConfig:
    """The configuration of the chain with that name, alias or chain id. Raises UnknownChainError."""
    return find_chain(name).config


def find_chain(name: str | int) -> Chain:
    """The chain with that name, alias or chain id; case does not matter. Raises UnknownChainError."""
    index = _index()
    wanted = str(name).strip().lower()
    if wanted in index:
        return index[wanted]
    raise UnknownChainError(str(name), next(iter(get_close_matches(wanted, index, n=1)), None))


@cache
def known_chains() -> tuple[Chain, ...]:
    """All chains, in the registry's order: by superchain, then by chain id."""
    rows = json.loads(files(__package__).joinpath("data", "chains.json").read_bytes())
    bare_names = [row["name"] for row in rows]
    return tuple(_chain(row, bare_name_is_unique=bare_names.count(row["name"]) == 1) for row in rows)


@cache
def _index() -> dict[str, Chain]:
    """Chains by lower-case name; a name goes before another chain's alias."""
    chains = known_chains()
    index = {alias.lower(): chain for chain in chains for alias in chain.aliases}
    return index | {chain.name.lower(): chain for chain in chains}


def _chain(row: Mapping[str, Any], *, bare_name_is_unique: bool) -> Chain:
    name = f"{row['name']}-{row['superchain']}"
    bare_name = (row["name"],) if bare_name_is_unique else ()
    token = row.get("gas_paying_token")
    return Chain(
        name=name,
        title=row["title"],
        superchain=row["superchain"],
        aliases=(str(row["chain_id"]), f"{row['superchain']}/{row['name']}", *bare_name, *_LEGACY_NAMES.get(name, ())),
        config=parse_rollup_config(_rollup_json(row)),
        data_availability=row["data_availability"],
        sequencer_rpc=row.get("sequencer_rpc"),
        gas_paying_token=None if token is None else bytes.fromhex(token[2:]),
        superchain_time=row.get("superchain_time"),
    )


def _rollup_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """The chain's rollup.json object."""
    batcher, overhead, scalar, gas_limit = row["system_config"]
    system_config = {"batcherAddr": batcher, "overhead": overhead, "scalar": scalar, "gasLimit": gas_limit}
    elasticity, denominator, denominator_canyon = row["eip1559"]
    return {
        "genesis": {
            "l1": dict(zip(("number", "hash"), row["genesis_l1"], strict=True)),
            "l2": dict(zip(("number", "hash"), row["genesis_l2"], strict=True)),
            "l2_time": row["genesis_time"],
            "system_config": system_config,
        },
        "block_time": row["block_time"],
        "max_sequencer_drift": row["max_sequencer_drift"],
        "seq_window_size": row["seq_window_size"],
        "channel_timeout": _CHANNEL_TIMEOUT,
        "l1_chain_id": row["l1_chain_id"],
        "l2_chain_id": row["chain_id"],
        "regolith_time": 0,
        **{f"{fork}_time": time for fork, time in row["forks"].items()},
        "keep_karst_upgrade_gas": row.get("keep_karst_upgrade_gas", False),
        "pectra_blob_schedule_time": row.get("pectra_blob_schedule_time"),
        "batch_inbox_address": row["batch_inbox"],
        "deposit_contract_address": row["deposit_contract"],
        "l1_system_config_address": row["system_config_contract"],
        "chain_op_config": {
            "eip1559Elasticity": elasticity,
            "eip1559Denominator": denominator,
            "eip1559DenominatorCanyon": denominator_canyon,
        },
        "alt_da": row.get("alt_da"),
    }
