"""A small network to draw cases with: an L1, a sequencer's blocks, a batcher, and derivation that follows each L1 block.

    net = Network(Fork.HOLOCENE)
    A = net.channel([1, 2, 3], frames=3)        # one channel of the batches of L2 blocks 1 to 3, in three frames
    net.include(A[0], A[1], A[2])               # one L1 block with one transaction a frame
    assert net.safe == 3
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from harness.batcher import BatcherAccount, BatcherBlock, encode_batches
from harness.fake_execution import FakeExecution
from harness.fake_l1 import L1Transaction
from harness.replay import Replay
from harness.scenario import BATCHER_KEYS, Scenario, make_head, make_l1
from harness.sequencer import SequencedBlock, Sequencer, SequencerSettings
from trinode.derive.drops import DropReason
from trinode.derive.events import ConfigProblem, DerivedAttributes, Dropped, Notice
from trinode.protocol.batch import SingularBatch, encode_singular_batch
from trinode.protocol.channel import ChannelCompression, compress_channel
from trinode.protocol.frame import Frame, encode_frames
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.l2_block import L2Block


def forks_at_genesis(last: Fork) -> dict[str, int]:
    return {fork.label: 0 for fork in SCHEDULED_FORKS if fork <= last}


class Network:
    """L1 blocks every 12 s, L2 blocks every 2 s; L2 blocks are sequenced as L1 grows, and posted only when a test says so."""

    def __init__(
        self, fork: Fork = Fork.HOLOCENE, *, transactions: int = 2, advance_chance: float = 1.0, max_origin_lag: int = 4, **fields: object
    ) -> None:
        scenario = Scenario(**({"forks": forks_at_genesis(fork), "seq_window": 20, "channel_timeout": 6} | fields))  # type: ignore[arg-type]
        self.l1 = make_l1(scenario)
        self.head = make_head(scenario, self.l1, "a test")
        self.config = self.head.rollup_config
        self.batcher = BatcherAccount(BATCHER_KEYS[0], self.config.l1_chain_id, self.config.batch_inbox_address)
        settings = SequencerSettings(
            transactions=transactions, empty_chance=0, advance_chance=advance_chance, max_origin_lag=max_origin_lag
        )
        self.sequencer = Sequencer(self.config, self.l1, self.head.l2_start.block, Random(1), settings)
        self.invalid: set[int] = set()
        self.drops: Counter[DropReason] = Counter()
        self.problems: list[str] = []
        self.derived: list[tuple[DerivedAttributes, L2Block | None]] = []
        execution = FakeExecution(self.config, invalid_blocks=self.invalid)
        self.replay = Replay(self.head, execution, on_derived=lambda *pair: self.derived.append(pair), on_notice=self._notice)
        self._fed = 0
        self._channels = 0
        self.feed()

    def _notice(self, notice: Notice) -> None:
        if isinstance(notice, Dropped):
            self.drops[notice.reason] += 1
        elif isinstance(notice, ConfigProblem):
            self.problems.append(notice.detail)

    # ---- L2 ----

    def sequence(self, count: int) -> None:
        """Let the sequencer make blocks up to number `count`, with L1 blocks as they are needed."""
        while self.sequencer.head.ref.number < count:
            if self.sequencer.build_next(posted_in=0) is None:
                self.empty(1)

    def block(self, number: int) -> SequencedBlock:
        """The sequenced block of a number."""
        self.sequence(number)
        sequenced = self.sequencer.by_number(number)
        assert sequenced is not None
        return sequenced

    def batch(self, number: int, **changes: object) -> SingularBatch:
        """The singular batch of a block, with changed fields."""
        return self.block(number).batch._replace(**changes)  # type: ignore[arg-type]

    def span(self, numbers: Sequence[int], change: Callable[[SingularBatch], SingularBatch] | None = None) -> bytes:
        """The span batch of blocks, encoded; `change` alters each block's batch first."""
        blocks = [BatcherBlock(self.block(number).batch, self.block(number).sequence_number) for number in numbers]
        if change is not None:
            blocks = [block._replace(batch=change(block.batch)) for block in blocks]
        return encode_batches(self.config, blocks, len(blocks))[0]

    # ---- the batcher ----

    def channel(self, batches: Sequence[int | SingularBatch | bytes], *, frames: int = 1, id: str | None = None) -> list[Frame]:
        """The frames of one channel: of L2 blocks by number, of singular batches, or of encoded batches."""
        encoded = [self._encode(batch) for batch in batches]
        data = compress_channel(encoded, ChannelCompression.ZLIB)
        return self.frames(data, frames=frames, id=id)

    def frames(self, data: bytes, *, frames: int = 1, id: str | None = None) -> list[Frame]:
        """A channel's data, compressed or not, in `frames` frames."""
        self._channels += 1
        channel_id = (id.encode() if id else self._channels.to_bytes(2, "big")).rjust(16, b"\0")
        size = -(-len(data) // frames)
        cut = [Frame(channel_id, n, data[n * size : (n + 1) * size], n == frames - 1) for n in range(frames)]
        assert len(cut) == frames
        return cut

    def _encode(self, batch: int | SingularBatch | bytes) -> bytes:
        if isinstance(batch, bytes):
            return batch
        return encode_singular_batch(batch if isinstance(batch, SingularBatch) else self.batch(batch))

    def blob_transaction(self, *frames: Frame) -> L1Transaction:
        """A batcher transaction with one blob for each frame."""
        return self.batcher.blobs([encode_frames([frame]) for frame in frames])

    # ---- L1 ----

    def include(self, *transactions: Frame | Sequence[Frame] | bytes | L1Transaction) -> None:
        """One L1 block with a batcher transaction for each frame, list of frames, or piece of calldata."""
        self.l1.extend([self._transaction(transaction) for transaction in transactions])
        self.feed()

    def _transaction(self, content: Frame | Sequence[Frame] | bytes | L1Transaction) -> L1Transaction:
        if isinstance(content, L1Transaction):
            return content
        if isinstance(content, bytes):
            return self.batcher.calldata(content)
        frames = [content] if isinstance(content, Frame) else list(content)
        return self.batcher.calldata(encode_frames(frames))

    def empty(self, count: int, *, seconds: int = 12) -> None:
        """So many L1 blocks without batcher data."""
        for _ in range(count):
            self.l1.extend(seconds=seconds)
        self.feed()

    def reorg(self, depth: int) -> None:
        """The last `depth` L1 blocks go; the next ones replace them."""
        removed = self.l1.rewind(depth)
        self.sequencer.rewind(removed[0].header.number - 1, 0)

    def feed(self) -> None:
        """Show derivation what L1 has shown."""
        for event in self.l1.events[self._fed :]:
            self.replay.feed(event)
        self._fed = len(self.l1.events)

    # ---- what came of it ----

    @property
    def safe(self) -> int:
        """Number of the safe L2 head."""
        return self.replay.engine.safe.number

    @property
    def pending_safe(self) -> int:
        """Number of the pending-safe L2 head."""
        status = self.replay.pipeline.status
        assert status is not None
        return status.pending_safe.number

    def is_sequenced(self, number: int) -> bool:
        """Whether derivation has made the sequencer's own block of this number."""
        mine, derived = self.sequencer.by_number(number), self.replay.engine.by_number(number)
        return mine is not None and derived is not None and mine.block.ref.hash == derived.ref.hash

    def assert_safe(self, number: int) -> None:
        """The safe head is the sequencer's block of this number."""
        assert self.safe == number, f"safe head {self.safe}, drops {dict(self.drops)}"
        assert number == 0 or self.is_sequenced(number)
