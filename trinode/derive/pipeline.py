"""The derivation pipeline: all stages, wired, as one state machine without IO (specification: derivation).

`next_event` runs until something must be answered or told; `receive` answers. Data flows from L1 traversal to the engine queue;
control flows the other way: each stage pulls from the one before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from trinode.derive.attributes import AttributesBuilder
from trinode.derive.batch_queue import BatchQueue
from trinode.derive.batch_stage import BatchStage
from trinode.derive.channel_assembler import ChannelAssembler
from trinode.derive.channel_bank import ChannelBank
from trinode.derive.channel_reader import ChannelReader
from trinode.derive.checkpoint import MAX_BUFFERED_BYTES, Checkpoint, Resumed, resume
from trinode.derive.engine_queue import EngineQueue
from trinode.derive.epochs import Epochs
from trinode.derive.errors import ResetRequired, UnsupportedChain
from trinode.derive.events import (
    Answer,
    CheckpointIgnored,
    CheckpointUsed,
    DerivedAttributes,
    Event,
    HeadsFound,
    Idle,
    Notice,
    Request,
    Signal,
    Steps,
    l1_block_by_hash,
    l2_block,
)
from trinode.derive.frame_queue import FrameQueue
from trinode.derive.journal import Journal
from trinode.derive.l1_retrieval import L1Retrieval
from trinode.derive.l1_traversal import L1Traversal
from trinode.derive.sync_start import L2Heads, find_heads, find_l1_base
from trinode.protocol.block import L1Block, L1BlockRef
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.l1_chain import L1ChainConfig
from trinode.rollup.l2_block import L2Block, L2BlockRef
from trinode.rollup.system_config import SystemConfig


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """Where the pipeline stands; None before the first reset has found it."""

    origin: L1BlockRef
    pending_safe: L2BlockRef
    safe: L2BlockRef


def check_derivable(config: RollupConfig) -> None:
    """Raises UnsupportedChain where the chain's data is not on L1, or a fork is scheduled whose rules are not known here."""
    if config.alt_da is not None:
        raise UnsupportedChain(f"the data of chain {config.l2_chain_id} is not on L1 but on {config.alt_da.commitment_type} (alt-DA)")
    if Fork.LAGOON in config.fork_times:
        raise UnsupportedChain(f"chain {config.l2_chain_id} schedules Lagoon, whose rules this version does not know: it ends with Karst")


class Pipeline:
    """Derives payload attributes for one chain.

    After construction call `reset`, then loop: `next_event()`; if it is a `Request`, `receive(answer)`. ResetRequired means: L1 or the
    engine moved, call `reset` with the engine's current heads. CriticalError means: stop and tell the operator.
    """

    def __init__(self, config: RollupConfig, l1_chain_config: L1ChainConfig, *, observe: bool = False) -> None:
        """Raises UnsupportedChain as `check_derivable` does."""
        check_derivable(config)
        self._config = config
        self._l1_chain_config = l1_chain_config
        self._journal = Journal(observe)
        self._steps: Steps[None] | None = None
        self._asked: Request | None = None
        self._answer: Answer = None
        self._pending: deque[Event] = deque()
        self._checkpoint: Checkpoint | None = None
        self.status: PipelineStatus | None = None

    def reset(self, heads: L2Heads, checkpoints: Iterable[Checkpoint] = ()) -> None:
        """Forget everything buffered and start again: at the first of the checkpoints that holds (newest first), else from the engine's
        heads, as far back as L1 demands.
        """
        self._steps = self._run(heads, tuple(checkpoints))
        self._checkpoint = None
        self._asked, self._answer = None, None
        self._journal.notices.clear()
        self._pending.clear()

    def next_event(self) -> Event:
        """Work until there is something to answer (`Request`), to tell (`Notice`), or nothing to do (`Idle`).

        Raises ResetRequired or CriticalError; after either only `reset` goes on.
        """
        assert self._steps is not None, "reset the pipeline before its first event, and after an error"
        assert self._asked is None, f"{self._asked} is not answered"
        if self._pending:
            return self._hand_out()
        steps, self._steps = self._steps, None  # stays None if an error escapes
        try:
            event = steps.send(self._answer)
        except StopIteration:
            raise AssertionError("the pipeline's loop has no end") from None
        self._steps, self._answer = steps, None
        notices: list[Notice] = self._journal.notices
        self._pending.extend(notices)
        notices.clear()
        self._pending.append(event)
        return self._hand_out()

    def checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint; None where there has not been one since the last reset.

        There is a new one whenever an L1 block is used up. Keep it only after the engine has kept the blocks: one that says more than the
        engine has is of no use.
        """
        return self._checkpoint

    def _hand_out(self) -> Event:
        event = self._pending.popleft()
        if isinstance(event, Request):
            self._asked = event
        return event

    def receive(self, answer: Answer) -> None:
        """Answer the request that `next_event` returned last; the type of the answer stands with each request."""
        assert self._asked is not None, "nothing was asked"
        self._asked, self._answer = None, answer

    # ---- the loop ----

    def _run(self, heads: L2Heads, checkpoints: tuple[Checkpoint, ...]) -> Steps[None]:
        stages = (yield from self._resume(heads, checkpoints)) or (yield from self._begin(heads))
        while True:
            self.status = PipelineStatus(stages.traversal.origin, stages.engine.pending_safe.ref, stages.engine.safe.ref)
            worked = yield from stages.step()
            if not worked:
                checkpoint = stages.checkpoint()
                if checkpoint is not None and checkpoint != self._checkpoint:
                    self._checkpoint = checkpoint
                advanced = yield from stages.advance_l1()
                if not advanced:
                    yield Idle(stages.traversal.origin.number + 1)
            if self._journal.notices:
                # The driver gets its turn, however much data one L1 block holds; `next_event` hands out the earlier notices first.
                yield self._journal.notices.pop()

    def _resume(self, heads: L2Heads, checkpoints: tuple[Checkpoint, ...]) -> Steps[_Stages | None]:
        for checkpoint in checkpoints:
            outcome = yield from resume(self._config, heads, checkpoint)
            if isinstance(outcome, Resumed):
                found = outcome.heads
                yield CheckpointUsed(checkpoint.origin.id, checkpoint.safe.id)
                yield HeadsFound(found.unsafe, found.safe, found.finalized, checkpoint.origin.id)
                self._checkpoint = checkpoint
                stages = self._stages(strict=checkpoint.strict, safe=outcome.safe)
                stages.resume(checkpoint)
                return stages
            yield CheckpointIgnored(checkpoint.origin.id, outcome)
        return None

    def _begin(self, heads: L2Heads) -> Steps[_Stages]:
        found = yield from find_heads(self._config, heads)
        safe = yield from l2_block(found.safe.hash)
        if safe is None:
            raise ResetRequired(f"the engine lost its safe block {found.safe.number}")
        base = yield from find_l1_base(self._config, safe)
        l1_base = yield from l1_block_by_hash(base.ref.l1_origin)
        yield HeadsFound(found.unsafe, found.safe, found.finalized, l1_base.id)
        strict = self._config.rules(l1_inclusion_timestamp=l1_base.header.timestamp).strict_ordering
        stages = self._stages(strict=strict, safe=safe)
        stages.reset(l1_base, base.system_config)
        return stages

    def _stages(self, *, strict: bool, safe: L2Block) -> _Stages:
        return _Stages(self._config, self._l1_chain_config, self._journal, safe, strict=strict)


class _Stages:
    """One wiring of the stages, made anew at each reset; `reset` or `resume` comes first. `strict`: those of Holocene."""

    def __init__(
        self, config: RollupConfig, l1_chain_config: L1ChainConfig, journal: Journal, safe: L2Block, *, strict: bool
    ) -> None:
        self._config = config
        self._journal = journal
        self.traversal = L1Traversal(config, journal)
        self.retrieval = L1Retrieval(config, self.traversal, journal)
        self.frames = FrameQueue(config, self.traversal, self.retrieval, journal)
        channels = (ChannelAssembler if strict else ChannelBank)(config, self.traversal, self.frames, journal)
        self.reader = ChannelReader(config, self.traversal, channels, journal)
        self.epochs = Epochs(config, self.traversal)
        self.batches: BatchQueue | BatchStage = (BatchStage if strict else BatchQueue)(config, self.reader, self.epochs, journal)
        self.builder = AttributesBuilder(config, l1_chain_config, journal)
        self.engine = EngineQueue(config, safe, journal)

    def reset(self, base: L1Block, system_config: SystemConfig) -> None:
        """Read from `base` on, with nothing buffered."""
        self.traversal.reset(base, system_config)
        self.retrieval.reset(base, system_config.batcher_address)
        self.epochs.reset(base.ref)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Stand where the checkpoint was made."""
        self.traversal.resume(checkpoint.origin, checkpoint.system_config)
        self.epochs.resume(checkpoint.origin, checkpoint.l1_blocks)
        self.reader.channels.resume(checkpoint.channels)
        self.batches.resume(checkpoint.batches)

    def checkpoint(self) -> Checkpoint | None:
        """The state now that `step` found the current L1 block used up; None where a block is half made of it, or where it is too large."""
        safe, batches = self.engine.safe.ref, self.batches.state()
        if batches is None or not self.traversal.is_read or self.engine.pending_safe.ref != safe:
            return None
        checkpoint = Checkpoint(
            origin=self.traversal.origin,
            system_config=self.traversal.system_config,
            safe=safe,
            l1_blocks=tuple(self.epochs.l1_blocks),
            strict=isinstance(self.batches, BatchStage),
            channels=self.reader.channels.state(),
            batches=batches,
        )
        return checkpoint if checkpoint.buffered_bytes <= MAX_BUFFERED_BYTES else None

    def step(self) -> Steps[bool]:
        """Derive at most one block; False when the current L1 block holds nothing more."""
        parent = self.engine.pending_safe
        batch = yield from self.batches.next_batch(parent.ref)
        if isinstance(batch, Signal):
            return batch is Signal.AGAIN
        attributes, sequence_number = yield from self.builder.build(batch.batch, parent)
        origin = self.traversal.origin
        derived = DerivedAttributes(
            attributes=attributes,
            parent=parent.ref,
            l1_origin=BlockId(batch.batch.epoch_number, batch.batch.epoch_hash),
            sequence_number=sequence_number,
            derived_from=BlockId(origin.number, origin.hash),
            derived_from_timestamp=origin.timestamp,
            concluding=batch.concluding,
        )
        yield from self.engine.apply(derived, self.batches)
        return True

    def advance_l1(self) -> Steps[bool]:
        """Go to the next L1 block, with Holocene's stages if that activates it; False if L1 has none yet."""
        before = self.traversal.origin.timestamp
        advanced = yield from self.traversal.advance()
        # op-node only looks at the first fork that activates between two L1 blocks: if Granite and Holocene do, the old stages stay.
        if advanced and self._config.first_fork_between(before, self.traversal.origin.timestamp) is Fork.HOLOCENE:
            self._switch_to_holocene()
        return advanced

    def _switch_to_holocene(self) -> None:
        self.frames.reset()
        self.reader.channels.abandon()
        self.batches.abandon()
        self.reader.channels = ChannelAssembler(self._config, self.traversal, self.frames, self._journal)
        self.batches = BatchStage(self._config, self.reader, self.epochs, self._journal)
