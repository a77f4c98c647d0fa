"""What the RPC asks of the node as a rollup node: `optimism_` and `admin_` (op-node's methods), and where transactions go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from trinode.engine.api.endpoint import EngineProblem
from trinode.engine.api.interface import Engine
from trinode.execution.errors import MissingState
from trinode.l1.watch import L1Watcher
from trinode.node import logs
from trinode.node.driver import Driver
from trinode.node.outputs import WithdrawalRoot
from trinode.node.sequencer import Sequencer, SequencerRefused
from trinode.node.unsafe_blocks import UnsafeBlocks
from trinode.protocol.block import KnownHeader
from trinode.protocol.output_root import output_root
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import l2_block_of
from trinode.rpc.node import AdminRefused, OutputAtBlock, SyncStatus


class SafeHeads(Protocol):
    """Which safe head each L1 block made."""

    async def safe_head_at(self, number: int) -> tuple[BlockId, BlockId] | None:
        """The last L1 block up to `number` that made a safe head, and that head."""


class RollupView:
    """`optimism_` (trinode.rpc.node.Rollup)."""

    def __init__(
        self,
        config: RollupConfig,
        driver: Driver,
        watcher: L1Watcher,
        engine: Engine,
        withdrawal_root: WithdrawalRoot,
        safe_heads: SafeHeads | None,
    ) -> None:
        """`safe_heads`: None where they are not kept."""
        self._config = config
        self._driver = driver
        self._watcher = watcher
        self._engine = engine
        self._withdrawal_root = withdrawal_root
        self._safe_heads = safe_heads

    def sync_status(self) -> SyncStatus:
        """Now."""
        status, latest, heads = self._driver.status, self._watcher.latest, self._driver.heads
        return SyncStatus(
            current_l1=None if status is None else status.origin,
            current_l1_finalized=None if latest is None else latest.finalized,
            head_l1=None if latest is None else latest.head,
            safe_l1=None if latest is None else latest.safe,
            finalized_l1=None if latest is None else latest.finalized,
            unsafe_l2=heads.last_unsafe,
            safe_l2=heads.safe,
            finalized_l2=heads.finalized,
            pending_safe_l2=heads.safe if status is None else status.pending_safe,
        )

    async def safe_head_at_l1(self, number: int) -> tuple[BlockId, BlockId] | None:
        """The last L1 block up to `number` that made a safe head, and that head. Raises LookupError."""
        if self._safe_heads is None:
            raise LookupError("safe heads are not kept")
        return await self._safe_heads.safe_head_at(number)

    async def output_at_block(self, number: int) -> OutputAtBlock:
        """The output of the canonical L2 block. Raises LookupError."""
        try:
            block = await self._engine.block_by_number(number)
            if block is None:
                raise LookupError(f"failed to determine L2BlockRef of height {number}, could not get payload: not found")
            root = await self._withdrawal_root(KnownHeader(block.header, block.hash))
        except (EngineProblem, MissingState) as error:
            raise LookupError(str(error)) from error
        state_root = block.header.state_root
        ref = l2_block_of(self._config, block.header, block.hash, block.transactions).ref
        return OutputAtBlock(ref, output_root(state_root, root, block.hash), root, state_root)


class AdminView:
    """`admin_` (trinode.rpc.node.Admin). `sequencer`: None on a node that does not sequence."""

    def __init__(self, driver: Driver, unsafe: UnsafeBlocks, sequencer: Sequencer | None, set_level: Callable[[str], None] = logs.set_level) -> None:
        self._driver = driver
        self._unsafe = unsafe
        self._sequencer = sequencer
        self._set_level = set_level

    async def reset_derivation_pipeline(self) -> None:
        """Derivation begins again from the safe head."""
        self._driver.reset(anew=True)

    async def start_sequencer(self, unsafe_head: Hash32) -> None:
        """Sequencing begins on that head."""
        try:
            self._required().start(unsafe_head)
        except SequencerRefused as error:
            raise AdminRefused(str(error)) from error

    async def stop_sequencer(self) -> Hash32:
        """Sequencing ends; the head that it has come to."""
        try:
            return await self._required().stop()
        except SequencerRefused as error:
            raise AdminRefused(str(error)) from error

    async def sequencer_active(self) -> bool:
        """Whether blocks are sequenced here."""
        return self._sequencer is not None and self._sequencer.active

    async def post_unsafe_payload(self, envelope: PayloadEnvelope) -> None:
        """Takes an unsafe block from a trusted caller."""
        refusal = self._unsafe.post(envelope)
        if refusal is not None:
            raise AdminRefused(refusal)

    async def override_leader(self) -> None:
        """There is no conductor here."""
        raise AdminRefused("no conductor is configured: there is no leader to override")

    async def conductor_enabled(self) -> bool:
        """There is none."""
        return False

    async def set_recover_mode(self, mode: bool) -> None:
        """Empty blocks until the sequencer has caught up with L1."""
        self._required().set_recover_mode(mode)

    async def set_log_level(self, level: str) -> None:
        """As on the command line."""
        try:
            self._set_level(level.lower())
        except KeyError as error:
            raise AdminRefused(f"no log level {level!r}: trace, debug, info, warn or error") from error

    def _required(self) -> Sequencer:
        if self._sequencer is None:
            raise AdminRefused("this node does not sequence: start it with --sequencer.enabled")
        return self._sequencer
