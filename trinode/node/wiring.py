"""From a NodeConfig to what runs: the chain, its store, and everything around them. What this version does not have is refused by name, rather
than accepted and left undone.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, replace
from pathlib import Path

from trinode.execution.errors import MissingState
from trinode.execution.genesis import GenesisError, build_genesis, parse_genesis
from trinode.node.config import NodeConfig
from trinode.rollup.chains import find_chain
from trinode.rollup.config import RollupConfig, RollupConfigError, parse_rollup_config
from trinode.rollup.l1_chain import L1_CHAINS, L1ChainConfig, parse_l1_chain_config
from trinode.storage.errors import StoreError, StoreMissing
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

_CHAIN_FOLDER = "chain"
_NOT_YET_OPTIONS = ("rollup.halt", "l1.rpc-rate-limit", "l1.rpc-max-batch-size", "l1.beacon-header", "safedb.path")
_NOT_YET = ("http", "ws", "calls", "authrpc", "rpc", "upstream", "txpool", "sequencer", "metrics", "log")


class StartError(Exception):
    """The node cannot start as it is configured; one line that says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Which chain, and the L1 under it."""

    config: RollupConfig
    l1: L1ChainConfig


def check_supported(config: NodeConfig) -> None:
    """Raises StartError for what is configured and not there yet."""
    if config.chain.is_devnet:
        raise StartError("the embedded devnet is not in this version: give --network or --rollup.config, --l1 and --l1.beacon")
    if config.engine.kind != "embedded":
        raise StartError(f"engine {config.engine.kind} is not in this version: leave it out, blocks are executed here")
    for setting in config.settings:
        is_missing = setting.option.section in _NOT_YET or setting.option.name in _NOT_YET_OPTIONS
        if is_missing and not setting.is_default:
            raise StartError(f"{setting.option.name} ({setting.source}): not in this version, leave it out")


def load_chain(config: NodeConfig) -> Chain:
    """The chain that is configured, with the fork times that override its own. Raises StartError."""
    choice = config.chain
    if choice.network is not None:
        rollup = find_chain(choice.network).config
    else:
        assert choice.rollup_config is not None
        try:
            rollup = parse_rollup_config(_read_json(choice.rollup_config))
        except RollupConfigError as error:
            raise StartError(f"{choice.rollup_config}: {error}") from error
    override = config.override
    if override.pectrablobschedule is not None:
        rollup = replace(rollup, pectra_blob_schedule_time=override.pectrablobschedule)
    if override.keep_karst_upgrade_gas is not None:
        rollup = replace(rollup, keep_karst_upgrade_gas=override.keep_karst_upgrade_gas)
    try:
        rollup = replace(rollup, fork_times={**rollup.fork_times, **override.times()})
    except RollupConfigError as error:
        raise StartError(f"override: {error}") from error
    return Chain(rollup, _load_l1_chain(config, rollup.l1_chain_id))


def _load_l1_chain(config: NodeConfig, chain_id: int) -> L1ChainConfig:
    path = config.chain.l1_chain_config
    if path is None:
        if chain_id not in L1_CHAINS:
            raise StartError(f"L1 chain {chain_id} is not a built-in one: give its blob schedule with --rollup.l1-chain-config FILE")
        return L1_CHAINS[chain_id]
    try:
        found = parse_l1_chain_config(_read_json(path))
    except RollupConfigError as error:
        raise StartError(f"{path}: {error}") from error
    if found.chain_id != chain_id:
        raise StartError(f"{path}: is of chain {found.chain_id}, but the rollup's L1 is chain {chain_id}")
    return found


def open_store(config: NodeConfig, rollup: RollupConfig) -> Store:
    """The chain's store in the datadir; made from the genesis file where there is none. Raises StartError."""
    path = config.general.datadir / _CHAIN_FOLDER
    identity = ChainIdentity(rollup.l2_chain_id, rollup.genesis.l2.hash)
    try:
        store = Store.open(path, identity, cache_bytes=config.storage.cache_bytes)
        if store.history != config.storage.history:
            store.set_history(config.storage.history)
        return store
    except StoreMissing:
        return _make_store(config, rollup, path, identity)
    except StoreError as error:
        raise StartError(str(error)) from error


def _make_store(config: NodeConfig, rollup: RollupConfig, path: Path, identity: ChainIdentity) -> Store:
    source = config.chain.genesis
    if source is None:
        raise StartError(f"{path}: there is no chain yet: give the chain's genesis.json with --genesis FILE")
    try:
        genesis = build_genesis(parse_genesis(_read_json(source)), rollup)
    except (GenesisError, MissingState) as error:
        raise StartError(f"{source}: {error}") from error
    if genesis.hash != identity.genesis_hash:
        raise StartError(f"{source}: its block is 0x{genesis.hash.hex()}, but the chain's genesis is 0x{identity.genesis_hash.hex()}")
    try:
        return Store.create(path, identity, genesis, history=config.storage.history, cache_bytes=config.storage.cache_bytes)
    except (StoreError, OSError) as error:
        raise StartError(f"{path}: {error}") from error


def _read_json(path: Path) -> object:
    """The JSON in a file, gzip or plain. Raises StartError."""
    try:
        data = path.read_bytes()
        return json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    except (OSError, EOFError) as error:
        raise StartError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    except (ValueError, RecursionError) as error:
        raise StartError(f"{path}: not JSON: {error}") from error
