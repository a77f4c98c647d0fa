"""From a NodeConfig to what runs: the chain, its store, and everything around them."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from trinode.derive.errors import UnsupportedChain
from trinode.derive.pipeline import check_derivable
from trinode.devnet.devnet import Devnet, DevnetMismatch
from trinode.devnet.devnet import open_devnet as open_devnet_in
from trinode.engine.pool.limits import PoolLimits
from trinode.execution.errors import MissingState, UnknownFork
from trinode.execution.genesis import GenesisBlock, GenesisError, build_genesis, parse_genesis
from trinode.node.config import NodeConfig
from trinode.node.start import StartError
from trinode.rollup.chains import find_chain
from trinode.rollup.config import RollupConfig, RollupConfigError, parse_rollup_config
from trinode.rollup.l1_chain import L1_CHAINS, L1ChainConfig, parse_l1_chain_config
from trinode.rpc.historical.start import check_has_history
from trinode.storage.derivation import DerivationRecords
from trinode.storage.errors import StoreError, StoreMissing
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

_CHAIN_FOLDER = "chain"
_RECORDS_FOLDER = "derivation"
_DEVNET_FOLDER = "l1"
INSTANT_BLOCK_TIME = 1
"""Seconds between the times of two blocks that are made as soon as there is a transaction."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Chain:
    """Which chain, and the L1 under it."""

    config: RollupConfig
    l1: L1ChainConfig


def pool_limits(config: NodeConfig) -> PoolLimits:
    """The transaction pool's limits as they are configured."""
    pool = config.txpool
    return PoolLimits(
        account_slots=pool.account_slots, global_slots=pool.global_slots, price_limit=pool.price_limit, price_bump=pool.price_bump
    )


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
        _check_unknown_forks(choice.rollup_config, rollup)
    override = config.override
    if override.pectrablobschedule is not None:
        rollup = replace(rollup, pectra_blob_schedule_time=override.pectrablobschedule)
    if override.keep_karst_upgrade_gas is not None:
        rollup = replace(rollup, keep_karst_upgrade_gas=override.keep_karst_upgrade_gas)
    try:
        rollup = replace(rollup, fork_times={**rollup.fork_times, **override.times()})
    except RollupConfigError as error:
        raise StartError(f"override: {error}") from error
    try:
        check_derivable(rollup)
        if config.upstream.historical is not None:
            check_has_history(rollup)
    except (UnsupportedChain, ValueError) as error:
        raise StartError(str(error)) from error
    return Chain(rollup, _load_l1_chain(config, rollup.l1_chain_id))


def _check_unknown_forks(path: Path, rollup: RollupConfig) -> None:
    """Blocks after a fork that this version does not know cannot be derived. Raises StartError."""
    for name, activation in rollup.unknown_fork_times.items():
        if activation <= time.time():
            raise StartError(f"{path}: {name}: this version does not know this fork, which is active: update trinode, or correct the file")
        _log.warning(f"{path}: {name} looks like a fork that this version does not know")


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


def open_devnet(config: NodeConfig) -> Devnet:
    """The embedded devnet in the datadir, made where there is none. Raises StartError."""
    # A machine that sleeps must not leave L2 hours behind: monotonic time sleeps too.
    start = time.time() - time.monotonic()
    try:
        path, block_time = config.general.datadir / _DEVNET_FOLDER, config.chain.block_time or INSTANT_BLOCK_TIME
        return open_devnet_in(path, block_time, lambda: start + time.monotonic())
    except (DevnetMismatch, StoreError, OSError) as error:
        raise StartError(str(error)) from error


def open_store(config: NodeConfig, rollup: RollupConfig, genesis: GenesisBlock | None) -> Store:
    """The chain's store in the datadir; made from `genesis`, or else from the genesis file, where there is none. Raises StartError."""
    path = config.general.datadir / _CHAIN_FOLDER
    identity = ChainIdentity(rollup.l2_chain_id, rollup.genesis.l2.hash)
    try:
        store = Store.open(path, identity, cache_bytes=config.storage.cache_bytes)
        if store.history != config.storage.history:
            store.set_history(config.storage.history)
        return store
    except StoreMissing:
        return _make_store(config, path, identity, _read_genesis(config, rollup, path) if genesis is None else genesis)
    except StoreError as error:
        raise StartError(str(error)) from error


def open_records(config: NodeConfig, rollup: RollupConfig) -> DerivationRecords:
    """What is kept of derivation, in the datadir or where `safedb.path` says. Raises StartError."""
    path = config.storage.safedb or config.general.datadir / _RECORDS_FOLDER
    try:
        path.mkdir(parents=True, exist_ok=True)
        return DerivationRecords(path, ChainIdentity(rollup.l2_chain_id, rollup.genesis.l2.hash))
    except (StoreError, OSError) as error:
        raise StartError(str(error)) from error


def _make_store(config: NodeConfig, path: Path, identity: ChainIdentity, genesis: GenesisBlock) -> Store:
    try:
        return Store.create(path, identity, genesis, history=config.storage.history, cache_bytes=config.storage.cache_bytes)
    except StoreError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}. Make room, or give another folder with --datadir") from error


def _read_genesis(config: NodeConfig, rollup: RollupConfig, path: Path) -> GenesisBlock:
    source = config.chain.genesis
    if source is None:
        raise StartError(f"{path}: there is no chain yet: give the chain's genesis.json with --genesis FILE")
    try:
        genesis = build_genesis(parse_genesis(_read_json(source)), rollup)
    except (GenesisError, MissingState, UnknownFork) as error:
        raise StartError(f"{source}: {error}") from error
    expected = rollup.genesis.l2.hash
    if genesis.hash != expected:
        remedy = "give the genesis.json of this chain"
        raise StartError(f"{source}: its block is 0x{genesis.hash.hex()}, but the chain's genesis is 0x{expected.hex()}; {remedy}")
    return genesis


def _read_json(path: Path) -> object:
    """The JSON in a file, gzip or plain. Raises StartError."""
    try:
        data = path.read_bytes()
        return json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise StartError(f"{path}: the compressed file is damaged, get it again: {error}") from error
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StartError(f"{path}: not JSON: {error}") from error
