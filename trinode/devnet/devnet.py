"""The devnet in a folder: made at the first opening, the same chain at every later one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trinode.devnet.accounts import ACCOUNTS, BATCHER, SEQUENCER, DevnetAccount
from trinode.devnet.genesis import l1_chain_config, l2_genesis
from trinode.devnet.l1 import DevnetClock, DevnetL1, genesis_block
from trinode.devnet.l1_app import L1App
from trinode.devnet.l1_ledger import genesis_state
from trinode.devnet.l1_store import L1Store
from trinode.execution.genesis import GenesisBlock
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_chain import L1ChainConfig
from trinode.storage.database import Database

FORMAT = 1
"""Of the database, and of the genesis that this version makes."""
L1_BLOCK_TIME = 3
"""Seconds. With one block's lag to the safe label and two to the finalized one, L2 follows within seconds."""
_CACHE_BYTES = 8 << 20


class DevnetMismatch(Exception):
    """The folder has another devnet than the one that is asked for; what to do, in one line."""


@dataclass(frozen=True, slots=True)
class Devnet:
    """A rollup and the L1 that it is on. `accounts` have ether on both; keys are private keys of 32 bytes.

    `clock`: the devnet's time in seconds, which stands still while it is closed. All that makes or labels blocks goes by it.
    """

    rollup_config: RollupConfig
    l1_chain_config: L1ChainConfig
    genesis: GenesisBlock
    l1: DevnetL1
    l1_app: L1App
    accounts: tuple[DevnetAccount, ...]
    batcher_key: bytes
    sequencer_key: bytes
    clock: DevnetClock

    def close(self) -> None:
        """Ends the use of the folder, once nobody uses L1 any more."""
        self.l1.close()


def open_devnet(path: Path, block_time: int, now: Callable[[], float], *, l1_block_time: int = L1_BLOCK_TIME) -> Devnet:
    """The devnet in the folder `path`, with an L2 block every `block_time` seconds. Takes about 0.3 s.

    `now`: seconds since 1970; a new devnet begins now. Raises DevnetMismatch, ValueError for a time that is no time, StoreError.
    """
    if block_time < 1 or l1_block_time < 1:
        raise ValueError(f"block times of {block_time} s and {l1_block_time} s: both must be at least 1 s")
    path.mkdir(parents=True, exist_ok=True)
    store = L1Store(Database(path, create=True, cache_bytes=_CACHE_BYTES))
    try:
        chain_config = l1_chain_config()
        chain = store.chain()
        if chain is None:
            chain = (FORMAT, int(now()), block_time)
            store.create(chain, genesis_block(chain_config, chain[1]), genesis_state())
        timestamp = _check(path, chain, block_time)
        first = genesis_block(chain_config, timestamp)
        l2 = l2_genesis(first.id, timestamp, block_time)
        l1 = DevnetL1(store, chain_config, l1_block_time, now)
    except BaseException:
        store.close()
        raise
    return Devnet(l2.config, chain_config, l2.block, l1, L1App(l1), ACCOUNTS, BATCHER.key, SEQUENCER.key, l1.clock)


def _check(path: Path, chain: tuple[int, ...], block_time: int) -> int:
    """The genesis time. Raises DevnetMismatch."""
    if chain[0] != FORMAT:
        raise DevnetMismatch(f"{path}: this devnet has format {chain[0]}, and this version makes {FORMAT}. Use another folder.")
    if chain[2] != block_time:
        raise DevnetMismatch(f"{path}: this devnet has a block every {chain[2]} s, not {block_time} s. Give its block time, or use another folder.")
    return chain[1]
