"""Sequencer mode: builds the next block of the unsafe chain, one each block time (specification: rollup-node; derivation, "Sequencer
Drift"; jovian/derivation, "Activation Block Rules").

A block is begun at its parent's time and sealed at its own. Blocks whose time is past are made one after the other without a pause.
In instant mode a block is made when there is something for it, and its time may be ahead of the clock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import trio

from trinode.derive.attributes import AttributesBuilder
from trinode.derive.errors import ResetRequired
from trinode.derive.events import NeedL1BlockByHash
from trinode.derive.journal import Journal
from trinode.engine.api.endpoint import EngineProblem
from trinode.engine.status import InvalidForkchoiceState, InvalidPayloadAttributes, UnknownPayload
from trinode.jsonrpc.endpoint import EndpointError
from trinode.node.heads import EngineOutOfStep, HeadMoved, PayloadRefused
from trinode.node.origin_selection import OriginL1, OriginPending, Origins, choose_origin, why_empty
from trinode.protocol.batch import SingularBatch
from trinode.protocol.block import L1Block
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_chain import L1ChainConfig
from trinode.rollup.l2_block import L2Block, L2BlockRef

_FIRST_DELAY, _LONGEST_DELAY = 1.0, 16.0
"""Seconds before another try after a failure."""

_FAILURES = (EngineProblem, EngineOutOfStep, InvalidPayloadAttributes, UnknownPayload, PayloadRefused, EndpointError)
_WANT_RESET = (ResetRequired, InvalidForkchoiceState)


class UnsafeChain(Protocol):
    """The unsafe chain, which derivation moves too; `trinode.node.heads.Heads` is one. What the engine raises comes through, and
    EngineOutOfStep.
    """

    @property
    def unsafe(self) -> L2BlockRef | None:
        """The unsafe head; None: it is being sought."""

    @property
    def safe(self) -> L2BlockRef | None:
        """The safe head."""

    async def moved(self) -> None:
        """Returns when a head is another than at the call."""

    async def unsafe_block(self) -> L2Block:
        """The unsafe head with its system config. Raises HeadMoved while there is none."""

    async def begin(self, parent: Hash32, attributes: PayloadAttributes) -> bytes:
        """Begins a payload on the unsafe head; its id. Raises HeadMoved, InvalidPayloadAttributes, InvalidForkchoiceState."""

    async def seal(self, payload_id: bytes) -> PayloadEnvelope:
        """The payload that was begun. Raises UnknownPayload."""

    async def adopt(self, envelope: PayloadEnvelope) -> L2BlockRef:
        """Makes a child of the unsafe head the unsafe head. Raises HeadMoved, PayloadRefused."""


class SequencerRefused(Exception):
    """What was asked of the sequencer cannot be done; why, in one line."""


@dataclass(frozen=True, slots=True)
class SequencerSettings:
    """`stopped`: it begins when it is told to. `max_safe_lag`: blocks that the unsafe head may be ahead of the safe one; 0: any number.
    Times in seconds: `sealing_margin`: how long before its time a block is sealed; `patience`: how long the next L1 origin is waited for
    before a block is begun without it. `most_ahead` (instant mode): how far the time of a block may be ahead of the clock.
    """

    stopped: bool = False
    recover: bool = False
    max_safe_lag: int = 0
    sealing_margin: float = 0.05
    patience: float = 0.5
    most_ahead: int = 1200


class SequencerStatus(NamedTuple):
    """`doing`: what it does or waits for; `problem`: what failed last, None if nothing did since the last block; `built`: blocks."""

    active: bool
    recover: bool
    doing: str
    problem: str | None
    built: int


class Sequencer:
    """Extends the unsafe chain while it is active.

    `run` works until it is cancelled. `wake` tells it that L1 or the clock has moved, `transaction_arrived` that the pool has more.
    """

    def __init__(
        self,
        config: RollupConfig,
        l1_chain_config: L1ChainConfig,
        chain: UnsafeChain,
        l1: OriginL1,
        settings: SequencerSettings | None = None,
        *,
        clock: Callable[[], float],
        reset: Callable[[], None],
        publish: Callable[[PayloadEnvelope], Awaitable[None]] | None = None,
        instant: Callable[[], bool] | None = None,
        notice: Callable[[str], None] = lambda line: None,
    ) -> None:
        """`clock`: Unix time in seconds. `reset`: has derivation seek the heads again. `publish`: sends a new block to the peers; it does not
        raise, and does not wait for them. `instant`: for instant mode, whether the pool has transactions that a block could take.
        `notice` is told of failures, in one line.
        """
        self._config = config
        self._chain = chain
        self._settings = settings = settings or SequencerSettings()
        self._clock = clock
        self._reset = reset
        self._publish = publish
        self._instant = instant
        self._notice = notice
        self._journal = Journal(observing=False)
        self._builder = AttributesBuilder(config, l1_chain_config, self._journal)
        self._origins = Origins(l1, self._stir)
        self._stirred = trio.Event()
        self._building = trio.Lock()
        self._active = not settings.stopped
        self._recover = settings.recover
        self._pool_is_fruitless = False
        self._refused_on: Hash32 | None = None
        self._doing = "begin"
        self._problem: str | None = None
        self._failures = 0
        self._built = 0

    # ---- control ----

    @property
    def active(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._active

    def status(self) -> SequencerStatus:
        """Now."""
        return SequencerStatus(self._active, self._recover, self._doing, self._problem or self._origins.problem, self._built)

    def start(self, unsafe_head: Hash32) -> None:
        """Begins to build on `unsafe_head`, which must be the unsafe head. Raises SequencerRefused."""
        if self._active:
            raise SequencerRefused("sequencer already running")
        head = self._chain.unsafe
        if head is None:
            raise SequencerRefused("there is no unsafe head yet: derivation seeks it")
        if head.hash != unsafe_head:
            raise SequencerRefused(f"block hash does not match: head 0x{head.hash.hex()}, received 0x{unsafe_head.hex()}")
        self._active = True
        self._failures = 0
        self._stir()

    async def stop(self) -> Hash32:
        """Builds no more blocks, and returns the hash of the unsafe head: another sequencer can go on from there. A block that is being
        sealed is finished first; one that has only begun is given up. Raises SequencerRefused.
        """
        if not self._active:
            raise SequencerRefused("sequencer not running")
        self._active = False
        self._stir()
        async with self._building:
            pass
        while self._chain.unsafe is None:
            await self._chain.moved()
        return self._chain.unsafe.hash

    def set_recover_mode(self, recover: bool) -> None:
        """In recover mode each block takes the next L1 origin as soon as its time allows, and nothing from the pool."""
        self._recover = recover
        self._stir()

    def wake(self) -> None:
        """L1 has a new head, or the clock was moved."""
        self._origins.l1_moved()
        self._stir()

    def transaction_arrived(self) -> None:
        """The pool has a transaction more."""
        self._pool_is_fruitless = False
        self._stir()

    # ---- work ----

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Builds blocks until it is cancelled. Raises CriticalError where the configuration allows no next block, in an exception group."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._origins.run)
            nursery.start_soon(self._follow_heads)
            task_status.started()
            while True:
                await self._round()

    async def _follow_heads(self) -> None:
        while True:
            await self._chain.moved()
            self._stir()

    async def _round(self) -> None:
        """Builds a block, or waits for what is in the way."""
        waits_for = self._hindrance()
        if waits_for is not None:
            self._doing = waits_for
            await self._stirred.wait()
            return
        try:
            await self._build()
        except HeadMoved:
            await trio.lowlevel.checkpoint()
        except OriginPending as pending:
            self._doing = f"wait for {pending}"
            # The clock is no help here: only L1, or who sends `recover` away.
            await self._stirred.wait()
        except _WANT_RESET as error:
            self._reset()
            await self._back_off(error)
        except _FAILURES as error:
            await self._back_off(error)

    def _hindrance(self) -> str | None:
        """Why no block can be begun now."""
        if not self._active:
            return "wait to be started"
        unsafe, safe = self._chain.unsafe, self._chain.safe
        if unsafe is None or safe is None:
            return "wait for derivation to find the heads"
        lag = self._settings.max_safe_lag
        if lag and safe.number + lag <= unsafe.number:
            return f"wait for the safe head: block {safe.number}, and the unsafe one is {unsafe.number - safe.number} ahead"
        return None

    async def _build(self) -> None:
        parent = await self._chain.unsafe_block()
        await self._origins.at(parent.ref.l1_origin)
        with trio.move_on_after(self._settings.patience):
            await self._origins.answered()
        time = parent.ref.timestamp + self._config.block_time
        at_once = self._instant is not None
        if not await self._until(time if at_once else parent.ref.timestamp, parent, early=at_once):
            return
        async with self._building:
            if not self._is_wanted(parent):
                return
            self._doing = f"build block {parent.ref.number + 1}"
            attributes = await self._attributes(parent)
            begun = await self._chain.begin(parent.ref.hash, attributes)
            if not await self._until(float("-inf") if at_once else time - self._settings.sealing_margin, parent):
                return
            # Until the block has one; a transaction that arrives too late for it says otherwise too.
            self._pool_is_fruitless = not attributes.no_tx_pool
            envelope = await self._chain.seal(begun)
            try:
                await self._chain.adopt(envelope)
            except PayloadRefused:
                self._refused_on = parent.ref.hash
                raise
        self._built += 1
        self._failures, self._problem = 0, None
        if len(envelope.payload.transactions) > len(attributes.transactions):
            self._pool_is_fruitless = False
        if self._publish is not None:
            await self._publish(envelope)

    def _is_wanted(self, parent: L2Block) -> bool:
        """Whether a block on `parent` still is."""
        head = self._chain.unsafe
        return self._active and head is not None and head.hash == parent.ref.hash

    async def _until(self, time: float, parent: L2Block, *, early: bool = False) -> bool:
        """Waits for the clock to show `time`, or where it may be `early` for something that is worth a block. False: no block on `parent` is
        wanted any more.
        """
        while self._is_wanted(parent):
            left = time - self._clock()
            if left <= 0 or (early and self._is_worth_a_block(parent)):
                return True
            self._doing = f"wait for the time of block {parent.ref.number + 1}"
            too_early = left - self._settings.most_ahead
            with trio.move_on_after(too_early if early and too_early > 0 else left):
                await self._stirred.wait()
        return False

    def _is_worth_a_block(self, parent: L2Block) -> bool:
        """Instant mode: whether the block on `parent` is built ahead of its time. It is for a new L1 origin with its deposits, and for
        transactions if it can take them.
        """
        time = parent.ref.timestamp + self._config.block_time
        if time - self._clock() > self._settings.most_ahead:
            return False
        origin = self._choose_origin(parent).ref
        if origin.number != parent.ref.l1_origin.number:
            return True
        if why_empty(self._config, time, origin, recover=self._recover) is not None:
            return False
        return self._instant is not None and self._instant() and not self._pool_is_fruitless

    def _choose_origin(self, parent: L2Block) -> L1Block:
        current, following = self._origins.current, self._origins.following
        assert current is not None, "its origin was asked for before"
        chosen = choose_origin(self._config, parent.ref, current.ref, None if following is None else following.ref, recover=self._recover)
        return current if following is None or chosen.hash == current.hash else following

    async def _attributes(self, parent: L2Block) -> PayloadAttributes:
        """What the next block is built from: what derivation would find for an empty batch, and the pool if it may be used."""
        origin = self._choose_origin(parent)
        time = parent.ref.timestamp + self._config.block_time
        attributes = self._derive_attributes(parent, origin, time)
        is_empty = why_empty(self._config, time, origin.ref, recover=self._recover) is not None
        # The engine would give the same payload again: what it refused came from the pool.
        return replace(attributes, no_tx_pool=is_empty or parent.ref.hash == self._refused_on)

    def _derive_attributes(self, parent: L2Block, origin: L1Block, time: int) -> PayloadAttributes:
        batch = SingularBatch(parent.ref.hash, origin.header.number, origin.hash, time, ())
        steps = self._builder.build(batch, parent)
        try:
            request = next(steps)
            while True:
                assert isinstance(request, NeedL1BlockByHash) and request.id == origin.id
                request = steps.send(origin)
        except StopIteration as finished:
            attributes: PayloadAttributes = finished.value[0]
        # Derivation tells of the same problems when it comes to this L1 block.
        self._journal.notices.clear()
        return attributes

    async def _back_off(self, error: Exception) -> None:
        line = str(error)
        if line != self._problem:
            self._notice(line)
        self._problem = line
        delay = min(_FIRST_DELAY * 2.0 ** min(self._failures, 10), _LONGEST_DELAY)
        self._failures += 1
        self._doing = f"wait {delay:g} s after a failure"
        await trio.sleep(delay)

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = trio.Event()
