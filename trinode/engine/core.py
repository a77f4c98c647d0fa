"""Fork choice, block import and payload building (Engine API: paris, shanghai, cancun and prague; OP Stack specification:
exec-engine, "Engine API", and derivation, "Engine Queue", for how a rollup node drives it).

What becomes canonical is written to the store at once; all else is in memory. After a crash the rollup node sends again what
it is told the engine is SYNCING for.
"""

from __future__ import annotations

from collections.abc import Callable

from trinode.engine.held import HeldBlocks, InvalidBlocks, WaitingPayloads
from trinode.engine.moves import about_to_be_removed, move_of, told_of
from trinode.engine.payloads import Payload, Payloads, Pool, built_payload, claimed_block, payload_id
from trinode.engine.pool.condition import Beginning
from trinode.engine.status import (
    BuiltPayload,
    ForkchoiceResult,
    ForkchoiceState,
    HeadRefused,
    InvalidForkchoiceState,
    InvalidPayloadAttributes,
    PayloadStatus,
    Status,
    UnknownPayload,
)
from trinode.engine.tree import BlockTree, Line, NotValid
from trinode.execution.block import BlockExecutor, ExecutedBlock
from trinode.execution.errors import InvalidAttributes, InvalidBlock
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.head_move import BlockWithReceipts, HeadMove
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope
from trinode.protocol.types import BlockId, Hash32
from trinode.storage.store import Store

SAFE = "safe"
FINALIZED = "finalized"
"""Labels of the store."""

_NOT_SAID = bytes(32)


class EngineCore:
    """The engine of one chain. For one thread at a time, and the only one that writes to the store.

    All methods that execute raise UnknownFork where a block is of a fork that this version does not have, and StoreError
    (CorruptStore) where the store is damaged; what was canonical then, still is.
    """

    def __init__(
        self,
        store: Store,
        executor: BlockExecutor,
        pool: Pool | None = None,
        *,
        held: HeldBlocks | None = None,
        waiting: WaitingPayloads | None = None,
        invalid: InvalidBlocks | None = None,
        on_head_moved: Callable[[HeadMove], None] | None = None,
    ) -> None:
        """`pool`: None for an engine that never sequences. `held`, `waiting`, `invalid`: to set other bounds. `on_head_moved`: is told of each
        move of the head, on the thread that made it.
        """
        self._store = store
        self._on_head_moved = on_head_moved
        self.prepare_head: Callable[[BlockWithReceipts], None] = lambda block: None
        """Is given each block that is about to be the head, on the engine's thread."""
        self._executor = executor
        self._pool = pool
        self._tree = BlockTree(
            store,
            executor,
            HeldBlocks() if held is None else held,
            WaitingPayloads() if waiting is None else waiting,
            InvalidBlocks() if invalid is None else invalid,
        )
        self._payloads = Payloads()

    # ---- the Engine API ----

    def new_payload(self, envelope: PayloadEnvelope) -> PayloadStatus:
        """Whether the payload's block is valid. It does not become canonical by that.

        SYNCING if an ancestor, or the state after it, is not there: the block waits for `forkchoice_updated`, or for a
        child, to be tried again.
        """
        block = claimed_block(envelope)
        if isinstance(block, PayloadStatus):
            return block
        if not self._tree.executed(block.hash):
            if self._tree.invalid.get(block.hash) is None:
                self._tree.waiting.add(block)
            try:
                self._tree.execute(self._tree.line_to(block.hash))
            except NotValid as error:
                return error.status
        return PayloadStatus(Status.VALID, block.hash)

    def forkchoice_updated(self, state: ForkchoiceState, attributes: PayloadAttributes | None) -> ForkchoiceResult:
        """Makes a block the head, back or forth or on another branch, and begins to build on it if there are attributes.

        Raises InvalidForkchoiceState, and has changed nothing then; InvalidPayloadAttributes, and the head has changed.
        """
        if state.head == _NOT_SAID:
            return ForkchoiceResult(PayloadStatus(Status.INVALID, None, "the head is not said"))
        try:
            line = self._tree.line_to(state.head)
            self._check_forkchoice(state, line)
            added = self._adopt(line)
        except NotValid as error:
            return ForkchoiceResult(error.status)
        if self._pool is not None:
            self._pool.head_moved(added)
        for name, block_hash in ((SAFE, state.safe), (FINALIZED, state.finalized)):
            if block_hash not in (_NOT_SAID, self._store.label(name)):
                self._store.set_label(name, block_hash)
        self._forget_branches()
        begun = None if attributes is None else self._begin(state.head, attributes)
        return ForkchoiceResult(PayloadStatus(Status.VALID, state.head), begun)

    def get_payload(self, payload_id: bytes) -> BuiltPayload:
        """The payload that was begun under that id. Transactions of the pool are taken now. Raises UnknownPayload."""
        payload = self._payloads.get(payload_id)
        if payload is None:
            raise UnknownPayload(f"there is no payload 0x{payload_id.hex()}")
        if payload.takes_pool and self._pool is not None:
            self._take_pool(payload, self._pool)
        return payload.built

    # ---- look-ups ----

    def head(self) -> KnownHeader:
        """The last canonical block."""
        return KnownHeader(self._store.head_header, self._store.head.hash)

    def safe(self) -> KnownHeader | None:
        """The safe block; None: it was not said since the chain began, or is canonical no more."""
        return self._labelled(SAFE)

    def finalized(self) -> KnownHeader | None:
        """The finalized block; None as in `safe`."""
        return self._labelled(FINALIZED)

    def block(self, block_hash: Hash32) -> KnownBlock | None:
        """A block that was executed, canonical or not; None: it is not known."""
        return self._tree.block(block_hash)

    def block_by_number(self, number: int) -> KnownBlock | None:
        """The canonical block of that number; None: there is none, or the store does not go back so far."""
        block_hash = self._store.blocks.canonical_hash(number)
        return None if block_hash is None else self._tree.block(block_hash)

    def bad_blocks(self) -> tuple[KnownBlock, ...]:
        """The blocks that were executed and found invalid last, the last one first. For any thread."""
        return self._tree.invalid.last

    # ---- by hand ----

    def set_head(self, number: int) -> None:
        """Takes canonical blocks back until that one is the head. Who is told of them again, adopts them again.

        Raises HeadRefused for a block that is not there, or is before the finalized one or before the oldest state.
        """
        block_hash = self._store.blocks.canonical_hash(number)
        if block_hash is None or number > self._store.head.number:
            raise HeadRefused("not allowed to rewind to a future block")
        finalized = self.finalized()
        if finalized is not None and number < finalized.header.number:
            raise HeadRefused(f"not allowed to rewind below the finalized block, {finalized.header.number}")
        if number < self._store.oldest_state:
            raise HeadRefused(f"the state of block {number} is not here any more: the oldest is that of block {self._store.oldest_state}")
        self._adopt(Line(BlockId(number, block_hash), ()))
        if self._pool is not None:
            self._pool.head_moved([])

    # ---- parts ----

    def _labelled(self, name: str) -> KnownHeader | None:
        block_hash = self._store.label(name)
        header = None if block_hash is None else self._store.blocks.header(block_hash)
        return None if block_hash is None or header is None else KnownHeader(header, block_hash)

    def _check_forkchoice(self, state: ForkchoiceState, line: Line) -> None:
        for name, block_hash in ((SAFE, state.safe), (FINALIZED, state.finalized)):
            if block_hash != _NOT_SAID and not line.passes(block_hash, self._store.blocks.canonical_number(block_hash)):
                raise InvalidForkchoiceState(f"the {name} block 0x{block_hash.hex()} is not known as an ancestor of the head")
        if not line.blocks and line.base.number < self._store.oldest_state:
            reason = f"the oldest state is that of block {self._store.oldest_state}"
            raise InvalidForkchoiceState(f"the head cannot go back to block {line.base.number}: {reason}")

    def _adopt(self, line: Line) -> list[ExecutedBlock]:
        """Makes the end of the line the head, and tells of it. Raises NotValid."""
        if line.blocks and not isinstance(line.blocks[-1], KnownBlock):
            self.prepare_head(told_of(line.blocks[-1].block))
        if self._on_head_moved is None:
            return self._tree.adopt(line)
        removed = about_to_be_removed(self._store, line.base.number)
        added = self._tree.adopt(line)
        if added or removed != ():
            self._on_head_moved(move_of(removed, added))
        return added

    def _forget_branches(self) -> None:
        finalized = self.finalized()
        self._tree.forget(max(self._store.oldest_state, 0 if finalized is None else finalized.header.number))

    def _begin(self, head: Hash32, attributes: PayloadAttributes) -> bytes:
        """Builds on the head what must be in the block, which shows whether the attributes are valid."""
        try:
            begun = payload_id(head, attributes)
        except OverflowError as error:
            raise InvalidPayloadAttributes(f"a number in the attributes is out of range: {error}") from error
        if self._payloads.get(begun) is None:
            try:
                block = self._executor.build(self._store.parent_for(head), attributes)
            except (InvalidAttributes, InvalidBlock) as error:
                raise InvalidPayloadAttributes(str(error)) from error
            takes_pool = self._pool is not None and not attributes.no_tx_pool
            if not takes_pool:
                self._tree.hold(block)
            self._payloads.add(begun, Payload(head, attributes, built_payload(block), takes_pool))
        return begun

    def _take_pool(self, payload: Payload, pool: Pool) -> None:
        """Builds again with what the pool has now. Where the parent was lost meanwhile, the payload stays as it is."""
        try:
            parent = self._tree.parent(self._tree.line_to(payload.parent_hash))
        except NotValid:
            return
        base_fee = payload.built.envelope.payload.base_fee_per_gas
        begun = Beginning(parent.header.number + 1, payload.attributes.timestamp, parent.state, parent.tries)
        block = self._executor.build(parent, payload.attributes, pool.best(base_fee, begun))
        self._tree.hold(block)
        payload.built, payload.takes_pool = built_payload(block), False
