"""The stateless engine for trio: an `Engine` that keeps headers, and executes each block from a remote's witness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import trio

from trinode.engine.held import MOST_INVALID
from trinode.engine.payloads import Payload, Payloads, built_payload, claimed_block, payload_id
from trinode.engine.stateless.ancestors import Ancestors
from trinode.engine.stateless.anchor import Anchor, fetch_anchor
from trinode.engine.stateless.execution import Remotes, StatelessExecution, StatelessSettings
from trinode.engine.stateless.headers import FINALIZED, SAFE, HeaderChain
from trinode.engine.stateless.remote import RemoteL2
from trinode.engine.stateless.tree import HeaderTree
from trinode.engine.status import (
    BuiltPayload,
    ForkchoiceResult,
    ForkchoiceState,
    InvalidPayloadAttributes,
    PayloadStatus,
    Status,
    UnknownPayload,
)
from trinode.execution.block import BlockExecutor, ExecutedBlock, Parent
from trinode.execution.errors import InvalidAttributes, InvalidBlock
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope
from trinode.protocol.types import Hash32

T = TypeVar("T")

_NOT_SAID = bytes(32)
_SYNCING = PayloadStatus(Status.SYNCING)


class StatelessEngine:
    """Verdicts, fork choice and payloads as `EngineService` gives them, for a verifier: there is no pool, so nothing is sequenced.

    What cannot be had from a remote is waited for, and said through `notice`, one line each. `begin` must have been called once; with
    `run` beside it witnesses are fetched ahead. All methods may raise StoreError, and those that execute UnknownFork.
    """

    def __init__(
        self,
        chain: HeaderChain,
        executor: BlockExecutor,
        remotes: Sequence[RemoteL2],
        *,
        settings: StatelessSettings | None = None,
        notice: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._settings = settings or StatelessSettings()
        self._tree = HeaderTree(chain)
        self._executor = executor
        self._remotes = Remotes(remotes, self._settings, notice)
        self._execution = StatelessExecution(self._remotes, self._settings, self._tree.header_rlp)
        self._ancestors = Ancestors(self._remotes)
        self._payloads = Payloads()
        self._invalid: dict[Hash32, PayloadStatus] = {}
        self._reading = trio.CapacityLimiter(1)
        self._turn = trio.Lock()

    async def begin(self, anchor: Anchor) -> KnownHeader:
        """Begins with a trusted block where nothing is stored yet; gives the head. Raises AnchorRefused, RemoteFault.

        What is stored goes on from where it was, whatever the anchor.
        """
        chain = self._tree.chain
        if await self._sync(lambda: chain.is_empty):
            block = await fetch_anchor(self._remotes.current, anchor)
            await self._sync(lambda: chain.begin(block))
        return await self.head()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Fetches witnesses ahead of execution until it is cancelled."""
        await self._execution.prefetcher.run(task_status=task_status)

    async def close(self) -> None:
        """Waits for what has begun. No thread touches the chain then, and its owner can close it."""
        with trio.CancelScope(shield=True):
            async with self._turn, self._reading:
                pass

    # ---- the Engine API ----

    async def new_payload(self, envelope: PayloadEnvelope) -> PayloadStatus:
        """Whether the payload's block is valid. SYNCING if its parent is not known, or nobody gives a witness in time."""
        block = claimed_block(envelope)
        if isinstance(block, PayloadStatus):
            return block
        async with self._turn:
            return await self._check(block)

    async def forkchoice_updated(self, state: ForkchoiceState, attributes: PayloadAttributes | None) -> ForkchoiceResult:
        """Makes a known block the head, and builds on it if there are attributes: for as long as a remote lets it wait.

        Raises InvalidForkchoiceState, and has changed nothing then; InvalidPayloadAttributes, and the head has changed.
        """
        if state.head == _NOT_SAID:
            return ForkchoiceResult(PayloadStatus(Status.INVALID, None, "the head is not said"))
        async with self._turn:
            if not await self._sync(lambda: self._tree.move(state)):
                return ForkchoiceResult(self._invalid.get(state.head, _SYNCING))
            begun = None if attributes is None else await self._build(state.head, attributes)
        return ForkchoiceResult(PayloadStatus(Status.VALID, state.head), begun)

    async def get_payload(self, payload_id: bytes) -> BuiltPayload:
        """The payload that was begun under that id. Raises UnknownPayload."""
        payload = self._payloads.get(payload_id)
        if payload is None:
            raise UnknownPayload(f"there is no payload 0x{payload_id.hex()}")
        await trio.lowlevel.checkpoint()
        return payload.built

    # ---- look-ups ----

    async def head(self) -> KnownHeader:
        """The unsafe head."""
        return await self._sync(lambda: self._tree.chain.head)

    async def safe(self) -> KnownHeader | None:
        """The safe head; None: it is canonical no more."""
        return await self._sync(lambda: self._tree.chain.label(SAFE))

    async def finalized(self) -> KnownHeader | None:
        """The finalized head; at first the block that the chain began with."""
        return await self._sync(lambda: self._tree.chain.label(FINALIZED))

    async def block(self, block_hash: Hash32) -> KnownBlock | None:
        """The block with that hash: from here, else from a remote. None: nobody has it."""
        found = await self._sync(lambda: self._tree.block(block_hash))
        if found is None:
            return await self._ancestors.block(block_hash)
        self._ancestors.note(found)
        return found

    async def block_by_number(self, number: int) -> KnownBlock | None:
        """The canonical block of that number; None: there is none, or it is long before the first one here."""
        block_hash = await self._sync(lambda: self._tree.chain.canonical_hash(number))
        if block_hash is not None:
            return await self.block(block_hash)
        oldest = await self._sync(self._oldest)
        if number >= oldest.header.number:
            return None
        start = await self.block(oldest.hash)
        return None if start is None else await self._ancestors.before(start, number)

    # ---- parts ----

    async def _sync(self, work: Callable[[], T]) -> T:
        """What touches the database, on a thread, one after the other."""
        return await trio.to_thread.run_sync(work, limiter=self._reading)

    def _oldest(self) -> KnownHeader:
        chain = self._tree.chain
        block_hash = chain.canonical_hash(chain.oldest)
        header = None if block_hash is None else chain.header(block_hash)
        assert block_hash is not None and header is not None, "the oldest header is not there"
        return KnownHeader(header, block_hash)

    async def _check(self, block: KnownBlock) -> PayloadStatus:
        if block.hash in self._invalid:
            return self._invalid[block.hash]
        if await self._is_known(block.hash):
            return PayloadStatus(Status.VALID, block.hash)
        parent = await self._sync(lambda: self._tree.header(block.header.parent_hash))
        if parent is None:
            return _SYNCING

        def check(whole: Parent) -> ExecutedBlock:
            return self._executor.check(whole, block.header, block.transactions)

        with trio.move_on_after(self._settings.most_wait):
            try:
                await self._execution.execute(parent, check)
            except InvalidBlock as error:
                return self._refuse(block.hash, PayloadStatus(Status.INVALID, parent.hash, str(error)))
            await self._sync(lambda: self._tree.hold(block))
            return PayloadStatus(Status.VALID, block.hash)
        return _SYNCING

    async def _is_known(self, block_hash: Hash32) -> bool:
        return await self._sync(lambda: self._tree.header(block_hash)) is not None

    def _refuse(self, block_hash: Hash32, status: PayloadStatus) -> PayloadStatus:
        self._invalid[block_hash] = status
        if len(self._invalid) > MOST_INVALID:
            del self._invalid[next(iter(self._invalid))]
        return status

    async def _build(self, head: Hash32, attributes: PayloadAttributes) -> bytes:
        if not attributes.no_tx_pool:
            raise InvalidPayloadAttributes("a stateless engine has no pool: noTxPool must be true")
        try:
            begun = payload_id(head, attributes)
        except OverflowError as error:
            raise InvalidPayloadAttributes(f"a number in the attributes is out of range: {error}") from error
        payload = self._payloads.get(begun)
        if payload is None or not await self._is_known(payload.built.envelope.payload.block_hash):
            parent = await self._sync(lambda: self._tree.chain.head)
            try:
                block = await self._execution.execute(parent, lambda whole: self._executor.build(whole, attributes))
            except (InvalidAttributes, InvalidBlock) as error:
                raise InvalidPayloadAttributes(str(error)) from error
            known = KnownBlock(block.header, block.hash, block.transactions)
            await self._sync(lambda: self._tree.hold(known))
            self._payloads.add(begun, Payload(head, attributes, built_payload(block), takes_pool=False))
        return begun
