"""What the RPC server asks of the node behind it (op-node's `optimism_` and `admin_` methods). The node implements these protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from trinode.protocol.block import L1BlockRef
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.l2_block import L2BlockRef


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """Where derivation stands. None: not known yet.

    L1: `current_l1` was derived from last, `current_l1_finalized` is kept for old callers and is `finalized_l1`; head, safe and finalized
    block as L1 has them. L2: `pending_safe_l2` goes ahead of `safe_l2` inside a span batch.
    """

    current_l1: L1BlockRef | None = None
    current_l1_finalized: L1BlockRef | None = None
    head_l1: L1BlockRef | None = None
    safe_l1: L1BlockRef | None = None
    finalized_l1: L1BlockRef | None = None
    unsafe_l2: L2BlockRef | None = None
    safe_l2: L2BlockRef | None = None
    finalized_l2: L2BlockRef | None = None
    pending_safe_l2: L2BlockRef | None = None


@dataclass(frozen=True, slots=True)
class OutputAtBlock:
    """The output root of an L2 block and what it is made of. `withdrawal_storage_root`: of the L2ToL1MessagePasser."""

    block_ref: L2BlockRef
    output_root: Hash32
    withdrawal_storage_root: Hash32
    state_root: Hash32


class Rollup(Protocol):
    """The node as a rollup node."""

    def sync_status(self) -> SyncStatus:
        """Now."""

    async def safe_head_at_l1(self, number: int) -> tuple[BlockId, BlockId] | None:
        """The last L1 block up to `number` that made a safe head, and that head; None: there is none. Raises LookupError with the reason
        where safe heads are not kept.
        """

    async def output_at_block(self, number: int) -> OutputAtBlock:
        """The output of the canonical L2 block `number`. Raises LookupError with the reason where it cannot be told."""


class AdminRefused(Exception):
    """What was asked for cannot be done; why, in one line."""


class Admin(Protocol):
    """The node as its operator and op-conductor steer it. Each method raises AdminRefused."""

    async def reset_derivation_pipeline(self) -> None:
        """Has derivation begin again from the safe head."""

    async def start_sequencer(self, unsafe_head: Hash32) -> None:
        """Sequencing begins on `unsafe_head`, which must be the unsafe head."""

    async def stop_sequencer(self) -> Hash32:
        """Sequencing ends; the unsafe head that it has come to."""

    async def sequencer_active(self) -> bool:
        """Whether blocks are being sequenced here."""

    async def post_unsafe_payload(self, envelope: PayloadEnvelope) -> None:
        """Takes an unsafe block as if it came by gossip, from a trusted caller."""

    async def override_leader(self) -> None:
        """Sequencing no longer asks the conductor who leads."""

    async def conductor_enabled(self) -> bool:
        """Whether a conductor decides on who sequences."""

    async def set_recover_mode(self, mode: bool) -> None:
        """Recover mode: the sequencer makes empty blocks until it has caught up with L1."""

    async def set_log_level(self, level: str) -> None:
        """`level` as on the command line."""


class Readiness(Protocol):
    """Whether the node can be used."""

    def not_ready(self) -> str | None:
        """None: ready; else the reason, in one line."""


class TransactionRefused(Exception):
    """A transaction was not taken: the JSON-RPC error's code, message and data."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class TransactionTaker(Protocol):
    """Who takes transactions: our pool, or the sequencer of the chain."""

    async def send_raw_transaction(self, raw: bytes) -> Hash32:
        """Takes a transaction in its consensus encoding; its hash. Raises TransactionRefused."""
