"""The L2 heads and the engine that is told of them (specification: derivation, "Engine Queue"; exec-engine, "Engine API").

Derivation, the sequencer and unsafe payloads from others all move the heads; each change is made as a whole before the next begins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from trinode.derive.events import DerivedAttributes, PayloadInvalid
from trinode.engine.api.interface import Engine
from trinode.engine.status import ForkchoiceState, InvalidPayloadAttributes, PayloadStatus, Status
from trinode.node.consolidation import mismatch
from trinode.protocol.block import KnownBlock
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope, payload_header
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2Block, L2BlockError, L2BlockRef, l2_block_of


class EngineOutOfStep(Exception):
    """The engine does not have, or does not take, what it must: it is syncing, was exchanged, or lost its data."""


class HeadMoved(Exception):
    """The unsafe head is not, or no more, the block that was built on."""


class PayloadRefused(Exception):
    """The engine says that a payload is invalid; why, in one line."""


class Heads:
    """The unsafe, safe and finalized head of one chain. All are None until they were found, and the unsafe one while they are sought again.

    Methods raise EngineOutOfStep, and what the engine raises where it cannot be reached.
    """

    def __init__(self, config: RollupConfig, engine: Engine) -> None:
        self._config = config
        self._engine = engine
        self._turn = trio.Lock()
        self._moved = trio.Event()
        self._lost: L2BlockRef | None = None
        self.unsafe: L2BlockRef | None = None
        self.safe: L2BlockRef | None = None
        self.finalized: L2BlockRef | None = None

    @property
    def last_unsafe(self) -> L2BlockRef | None:
        """The unsafe head, and while it is sought the one before: for who only looks."""
        return self.unsafe or self._lost

    async def moved(self) -> None:
        """Returns when a head is another than at the call."""
        await self._moved.wait()

    # ---- look-ups ----

    async def engine_heads(self) -> tuple[L2Block, L2Block, L2Block]:
        """The engine's unsafe, safe and finalized block; genesis stands in for the finalized one where there is none, and that for the safe one."""
        head, safe, finalized = await self._engine.head(), await self._engine.safe(), await self._engine.finalized()
        hashes = [known.hash for known in (head, safe or finalized, finalized) if known is not None]
        hashes += [self._config.genesis.l2.hash] * (3 - len(hashes))
        unsafe_block, safe_block, finalized_block = [await self.required(block_hash) for block_hash in hashes]
        return unsafe_block, safe_block, finalized_block

    async def required(self, block_hash: Hash32) -> L2Block:
        """A block of the engine's chain."""
        found = await self.block(block_hash)
        if found is None:
            raise EngineOutOfStep(f"the engine lacks L2 block 0x{block_hash.hex()} of its own chain")
        return found

    async def block(self, block_hash: Hash32) -> L2Block | None:
        """The block with that hash; None: the engine does not know it."""
        known = await self._engine.block(block_hash)
        return None if known is None else self._read(known)

    async def block_by_number(self, number: int) -> L2Block | None:
        """The canonical block of that number; None: there is none."""
        known = await self._engine.block_by_number(number)
        return None if known is None else self._read(known)

    async def unsafe_block(self) -> L2Block:
        """The unsafe head with its system config. Raises HeadMoved while there is none."""
        if self.unsafe is None:
            raise HeadMoved("the heads are sought")
        return await self.required(self.unsafe.hash)

    # ---- derivation ----

    def lose(self) -> None:
        """The heads are sought again: nobody may build on the unsafe one."""
        self._lost = self.unsafe or self._lost
        self.unsafe = None

    async def lose_by(self, work: Callable[[], Awaitable[None]]) -> None:
        """The heads are sought again after `work`, which moves those of the engine while nobody else does. Raises what it raises."""
        async with self._turn:
            self.lose()
            await work()

    async def find(self, unsafe: L2BlockRef, safe: L2BlockRef, finalized: L2BlockRef) -> None:
        """These are the heads."""
        async with self._turn:
            self.safe, self.finalized = safe, finalized
            await self._choose(unsafe)

    async def make(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid:
        """The block of derived attributes, which is safe with it if it is concluding: the one that the engine has already if it is that,
        else a new one, which is the unsafe head then.
        """
        async with self._turn:
            assert self.safe is not None and self.unsafe is not None
            # What an engine has beyond its head is not its chain: op-geth keeps such blocks when it has lost their states.
            known = await self._engine.block_by_number(derived.number) if derived.number <= self.unsafe.number else None
            is_new = known is None or mismatch(self._config, derived.attributes, derived.parent.hash, known) is not None
            block = await self._build(derived) if known is None or is_new else self._read(known)
            if isinstance(block, PayloadInvalid):
                return block
            is_safe = derived.concluding and block.ref.number > self.safe.number
            if is_new or is_safe:
                await self._choose(block.ref if is_new else self.unsafe, block.ref if is_safe else None)
            return block

    async def finalize(self, block: L2BlockRef) -> None:
        """That block, an ancestor of the safe one, is final."""
        async with self._turn:
            if self.unsafe is not None and block != self.finalized:
                self.finalized = block
                await self._choose(self.unsafe)

    # ---- unsafe blocks ----

    async def begin(self, parent: Hash32, attributes: PayloadAttributes) -> bytes:
        """Has the engine begin a payload on the unsafe head; its id. Raises HeadMoved, InvalidPayloadAttributes."""
        async with self._turn:
            self._expect_head(parent)
            begun = await self._engine.forkchoice_updated(self._choice(parent), attributes)
        _expect_valid(begun.payload_status, "the unsafe head")
        if begun.payload_id is None:
            raise EngineOutOfStep("the engine builds no block on the unsafe head")
        return begun.payload_id

    async def seal(self, payload_id: bytes) -> PayloadEnvelope:
        """The payload that was begun. Raises UnknownPayload."""
        return (await self._engine.get_payload(payload_id)).envelope

    async def adopt(self, envelope: PayloadEnvelope) -> L2BlockRef:
        """Makes a child of the unsafe head the unsafe head. Raises HeadMoved, PayloadRefused."""
        async with self._turn:
            payload = envelope.payload
            self._expect_head(payload.parent_hash)
            try:
                block = l2_block_of(self._config, payload_header(envelope), payload.block_hash, payload.transactions)
            except L2BlockError as error:
                raise PayloadRefused(str(error)) from error
            status = await self._engine.new_payload(envelope)
            if status.status is Status.INVALID:
                raise PayloadRefused(status.validation_error or "the engine does not say why")
            _expect_valid(status, f"L2 block {payload.block_number}")
            await self._choose(block.ref)
            return block.ref

    # ---- parts ----

    def _expect_head(self, parent: Hash32) -> None:
        if self.unsafe is None or self.unsafe.hash != parent:
            found = "sought" if self.unsafe is None else f"0x{self.unsafe.hash.hex()}"
            raise HeadMoved(f"the unsafe head is {found}, not 0x{parent.hex()}")

    async def _build(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid:
        """Has the engine build and check a block on the parent, which is its head then, also where the attributes are refused."""
        self.unsafe = derived.parent
        try:
            begun = await self._engine.forkchoice_updated(self._choice(derived.parent.hash), derived.attributes)
        except InvalidPayloadAttributes as error:
            return PayloadInvalid(str(error))
        _expect_valid(begun.payload_status, f"L2 block {derived.parent.number} as the head")
        if begun.payload_id is None:
            raise EngineOutOfStep(f"the engine builds no block on L2 block {derived.parent.number}")
        envelope = (await self._engine.get_payload(begun.payload_id)).envelope
        status = await self._engine.new_payload(envelope)
        if status.status is Status.INVALID:
            return PayloadInvalid(status.validation_error or "the engine does not say why")
        _expect_valid(status, f"L2 block {derived.number}")
        payload = envelope.payload
        return l2_block_of(self._config, payload_header(envelope), payload.block_hash, payload.transactions)

    async def _choose(self, head: L2BlockRef, safe: L2BlockRef | None = None) -> None:
        """`safe`: the new safe head if it moves too. Both do at once: nobody sees it ahead of the unsafe one."""
        safe = safe or self.safe
        assert safe is not None
        result = await self._engine.forkchoice_updated(self._choice(head.hash, safe), None)
        _expect_valid(result.payload_status, f"L2 block {head.number} as the head")
        self.unsafe, self.safe = head, safe
        self._moved.set()
        self._moved = trio.Event()

    def _choice(self, head: Hash32, safe: L2BlockRef | None = None) -> ForkchoiceState:
        safe = safe or self.safe
        assert safe is not None and self.finalized is not None
        return ForkchoiceState(head, safe.hash, self.finalized.hash)

    def _read(self, block: KnownBlock) -> L2Block:
        return l2_block_of(self._config, block.header, block.hash, block.transactions)


def _expect_valid(status: PayloadStatus, what: str) -> None:
    if status.status is not Status.VALID:
        raise EngineOutOfStep(f"the engine answers {status.status.value} to {what}: {status.validation_error or 'no reason given'}")
