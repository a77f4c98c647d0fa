"""A sequencer between an L1 and a chain that tests script: no engine, made-up block hashes, and time that trio's mock clock moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

import trio

from harness.fake_execution import make_block
from harness.fake_l1 import FakeL1
from harness.scenario import GENESIS_TIME, Scenario, make_head, make_l1
from trinode.node.heads import HeadMoved
from trinode.node.sequencer import Sequencer, SequencerSettings
from trinode.protocol.block import L1Block
from trinode.protocol.payload import ExecutionPayload, PayloadAttributes, PayloadEnvelope
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2Block, L2BlockRef

FORKS = dict.fromkeys(("regolith", "canyon", "delta", "ecotone", "fjord", "granite", "holocene", "isthmus", "jovian"), 0)
TRANSACTION = b"\x02 of a user"


class Began(NamedTuple):
    """A payload that was begun, and when (seconds after genesis)."""

    time: float
    attributes: PayloadAttributes


class ScriptedL1:
    """A fake L1 as it is seen so many blocks below its head. `delay`: seconds until it answers; `failures`: raised, one for each call."""

    def __init__(self, l1: FakeL1) -> None:
        self.l1 = l1
        self.confirmations = 0
        self.delay = 0.0
        self.failures: list[Exception] = []
        self.forgotten: set[Hash32] = set()

    async def block_by_number(self, number: int) -> L1Block | None:
        await trio.sleep(self.delay)
        if self.failures:
            raise self.failures.pop(0)
        return None if number > self.l1.head.header.number - self.confirmations else self.l1.by_number(number)

    async def block_by_hash(self, block: BlockId) -> L1Block | None:
        await trio.sleep(self.delay)
        if self.failures:
            raise self.failures.pop(0)
        return None if block.hash in self.forgotten else self.l1.block(block)


class ScriptedChain:
    """An unsafe chain. `blocks`: from the start on; `pool`: what each next block may take, one list for each; `begun`, `sealed_at` and
    `adopted_at`: what was done, and when. `failures`: raised by the named method, one for each call.
    """

    def __init__(self, config: RollupConfig, start: L2Block, now: Callable[[], float]) -> None:
        self._config = config
        self._now = now
        self._payloads: dict[bytes, tuple[L2BlockRef, PayloadAttributes]] = {}
        self._made: dict[Hash32, L2Block] = {}
        self._changed = trio.Event()
        self.blocks = [start]
        self.unsafe: L2BlockRef | None = start.ref
        self.safe: L2BlockRef | None = start.ref
        self.pool: list[list[bytes]] = []
        self.begun: list[Began] = []
        self.sealed_at: list[float] = []
        self.adopted_at: list[float] = []
        self.sealing_time = 0.0
        self.failures: dict[str, list[Exception]] = {"begin": [], "seal": [], "adopt": []}

    async def moved(self) -> None:
        await self._changed.wait()

    async def unsafe_block(self) -> L2Block:
        await trio.lowlevel.checkpoint()
        if self.unsafe is None:
            raise HeadMoved("sought")
        return self.blocks[-1]

    async def begin(self, parent: Hash32, attributes: PayloadAttributes) -> bytes:
        await self._fail("begin")
        head = self._expect(parent)
        begun = len(self.begun).to_bytes(8, "big")
        self.begun.append(Began(self._now(), attributes))
        self._payloads[begun] = head, attributes
        return begun

    async def seal(self, payload_id: bytes) -> PayloadEnvelope:
        await self._fail("seal")
        self.sealed_at.append(self._now())
        parent, attributes = self._payloads[payload_id]
        await trio.sleep(self.sealing_time)
        taken = () if attributes.no_tx_pool or not self.pool else tuple(self.pool.pop(0))
        block = make_block(self._config, parent, _with(attributes, taken))
        self._made[block.ref.hash] = block
        return envelope_of(block)

    async def adopt(self, envelope: PayloadEnvelope) -> L2BlockRef:
        await self._fail("adopt")
        self._expect(envelope.payload.parent_hash)
        self.adopted_at.append(self._now())
        self.blocks.append(self._made[envelope.payload.block_hash])
        self._move(self.blocks[-1].ref)
        return self.blocks[-1].ref

    # ---- what derivation does ----

    def lose(self) -> None:
        """The heads are sought."""
        self.unsafe = None

    def go_back(self, count: int) -> None:
        """That many blocks are unsafe no more."""
        if count:
            del self.blocks[-count:]
        self._move(self.blocks[-1].ref)

    def make_safe(self) -> None:
        """All blocks are safe."""
        self.safe = self.blocks[-1].ref
        self._move(self.blocks[-1].ref)

    def _move(self, unsafe: L2BlockRef) -> None:
        self.unsafe = unsafe
        self._changed.set()
        self._changed = trio.Event()

    async def _fail(self, method: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.failures[method]:
            raise self.failures[method].pop(0)

    def _expect(self, parent: Hash32) -> L2BlockRef:
        if self.unsafe is None or self.unsafe.hash != parent:
            raise HeadMoved("the head is another")
        return self.unsafe


def _with(attributes: PayloadAttributes, transactions: tuple[bytes, ...]) -> PayloadAttributes:
    return replace(attributes, transactions=(*attributes.transactions, *transactions))


def envelope_of(block: L2Block) -> PayloadEnvelope:
    """A payload of which only what the sequencer may look at is the block's."""
    ref = block.ref
    payload = ExecutionPayload(
        parent_hash=ref.parent_hash,
        fee_recipient=bytes(20),
        state_root=bytes(32),
        receipts_root=bytes(32),
        logs_bloom=bytes(256),
        prev_randao=bytes(32),
        block_number=ref.number,
        gas_limit=0,
        gas_used=0,
        timestamp=ref.timestamp,
        extra_data=b"",
        base_fee_per_gas=0,
        block_hash=ref.hash,
        transactions=block.transactions,
    )
    return PayloadEnvelope(payload)


class World:
    """L1, chain and sequencer of a scenario, whose times are seconds after genesis. `start`: the first line of its recording."""

    def __init__(
        self,
        scenario: Scenario | None = None,
        settings: SequencerSettings | None = None,
        *,
        behind: float = 0.0,
        instant: Callable[[], bool] | None = None,
    ) -> None:
        """`behind`: seconds since genesis when the test begins."""
        scenario = scenario or Scenario(forks=FORKS)
        self._began = trio.current_time() - behind
        self.fake_l1 = make_l1(scenario)
        self.start = head = make_head(scenario, self.fake_l1, "a test")
        self.config = head.rollup_config
        self.l1 = ScriptedL1(self.fake_l1)
        self.chain = ScriptedChain(self.config, head.l2_start.block, self.now)
        self.resets: list[float] = []
        self.published: list[PayloadEnvelope] = []
        self.notices: list[str] = []
        self.sequencer = Sequencer(
            self.config,
            head.l1_chain_config,
            self.chain,
            self.l1,
            settings,
            clock=lambda: GENESIS_TIME + self.now(),
            reset=lambda: self.resets.append(self.now()),
            publish=self._publish,
            instant=instant,
            notice=self.notices.append,
        )

    def now(self) -> float:
        """Seconds since genesis."""
        return trio.current_time() - self._began

    async def _publish(self, envelope: PayloadEnvelope) -> None:
        await trio.lowlevel.checkpoint()
        self.published.append(envelope)

    @property
    def head(self) -> L2BlockRef:
        """The unsafe chain's last block."""
        return self.chain.blocks[-1].ref

    def grow_l1(self, seconds: int = 12) -> L1Block:
        """L1 has a block more, `seconds` after the last, and all know."""
        block = self.fake_l1.extend(seconds=seconds)
        self.sequencer.wake()
        return block

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The sequencer works."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.sequencer.run)
            yield
            nursery.cancel_scope.cancel()
