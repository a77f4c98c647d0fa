"""The network of the unit tests, observed: every notice, every event, what stays buffered; its derivation can be stopped anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from random import Random
from types import GeneratorType

from harness.batcher import BatcherAccount, BatcherBlock, BatcherSettings, encode_batches, pack_frames, split_frames
from harness.fake_execution import FakeExecution
from harness.fake_l1 import FakeL1, L1Transaction
from harness.recording import RecordedItem, RecordedL1Block, RecordingHead
from harness.replay import Execution, OnDerived, OnNotice, Replay
from harness.scenario import BATCHER_KEYS
from harness.sequencer import SequencedBlock, Sequencer, SequencerSettings
from tests.unit.derive.network import Network
from trinode.derive.batch_queue import BatchQueue
from trinode.derive.channel import Channel
from trinode.derive.channel_bank import ChannelBank
from trinode.derive.channel_reader import describe_batch
from trinode.derive.drops import DropReason
from trinode.derive.events import Answer, Dropped, Notice, Progressed, Request, Subject
from trinode.derive.pipeline import Pipeline, _Stages
from trinode.protocol.channel import compress_channel
from trinode.protocol.transaction import BlobTransaction, decode_transaction, transaction_hash
from trinode.protocol.types import Hash32
from trinode.rollup.fork import Fork
from trinode.rollup.l2_block import L2Block
from trinode.rollup.system_config import SystemConfig, update_system_config


class Interrupted(Exception):
    """Derivation stops here."""


class RestartableReplay(Replay):
    """A replay that counts events, and starts again at the requests of these numbers, in turn with `pipeline.reset` and a new pipeline."""

    def __init__(
        self,
        head: RecordingHead,
        execution: Execution,
        *,
        stops: Collection[int] = (),
        on_notice: OnNotice | None = None,
        on_derived: OnDerived | None = None,
    ) -> None:
        super().__init__(head, execution, on_notice=on_notice, on_derived=on_derived)
        self._head = head
        self._stops = set(stops)
        self.requests = 0
        self.restarts = 0

    def restart(self, *, renew: bool) -> None:
        """Begin again from the engine's heads; `renew`: with a pipeline that knows nothing."""
        if renew:
            head = self._head
            self.pipeline = Pipeline(head.rollup_config, head.l1_chain_config, observe=self._on_notice is not None)
        self.pipeline.reset(self.engine.heads)

    def run(self) -> None:
        """Derive until there is nothing to do."""
        self._derive()

    def stop_after(self, requests: int) -> None:
        """Start again once more, so many requests from now."""
        self._stops.add(self.requests + requests)

    def _answer(self, request: Request) -> Answer:
        self.requests += 1
        if self.requests in self._stops:
            raise Interrupted
        return super()._answer(request)

    def _derive(self) -> None:
        while True:
            try:
                return super()._derive()
            except Interrupted:
                self.restarts += 1
                self.restart(renew=self.restarts % 2 == 0)

    @property
    def safe_chain(self) -> list[Hash32]:
        """Hashes of the blocks from the start block to the safe head."""
        first = self._start.ref.number
        blocks = [self.engine.by_number(number) for number in range(first, self.engine.safe.number + 1)]
        return [block.ref.hash for block in blocks if block is not None]

    @property
    def stages(self) -> _Stages:
        """The stages, while the pipeline is idle."""
        steps = self.pipeline._steps
        assert isinstance(steps, GeneratorType) and steps.gi_frame is not None
        stages = steps.gi_frame.f_locals["stages"]
        assert isinstance(stages, _Stages)
        return stages

    @property
    def channels(self) -> list[Channel]:
        """The channels under assembly."""
        channels = self.stages.reader.channels
        if isinstance(channels, ChannelBank):
            return list(channels._channels.values())
        return [channels._channel] if channels._channel is not None else []


class ObservedNetwork(Network):
    """A network whose blocks come from a new sequencer each time, on top of what is derived."""

    def __init__(self, fork: Fork = Fork.HOLOCENE, **fields: object) -> None:
        super().__init__(fork, **fields)  # type: ignore[arg-type]
        self.notices: list[Notice] = []
        self.observed = RestartableReplay(
            self.head, self._execution(), on_notice=self._observe, on_derived=lambda *pair: self.derived.append(pair)
        )
        self.replay = self.observed
        self.accounts = {
            account.address: account
            for account in (BatcherAccount(key, self.config.l1_chain_id, self.config.batch_inbox_address) for key in BATCHER_KEYS)
        }
        self._fed = 0
        self.feed()

    def _execution(self) -> FakeExecution:
        return FakeExecution(self.config, invalid_blocks=self.invalid)

    def _observe(self, notice: Notice) -> None:
        self.notices.append(notice)
        self._notice(notice)

    @property
    def events(self) -> int:
        """What the pipeline said and asked so far."""
        return self.observed.requests + len(self.notices)

    @property
    def account(self) -> BatcherAccount:
        """The batcher that the system config names after L1's head."""
        return self.accounts[self.system_config.batcher_address]

    @property
    def system_config(self) -> SystemConfig:
        """The system config after L1's head."""
        system_config = self.config.genesis.system_config
        for block in self.l1.chain[1:]:
            if receipts := self.l1.receipts[block.hash]:
                time = block.header.timestamp
                system_config, _ = update_system_config(system_config, receipts, self.config, l1_inclusion_timestamp=time)
        return system_config

    @property
    def derived_head(self) -> L2Block:
        """The pending-safe head."""
        block = self.replay.engine.by_number(self.pending_safe)
        assert block is not None
        return block

    @property
    def highest_tried(self) -> int:
        """Number of the highest block that the engine was ever asked to make."""
        return max((attributes.number for attributes, _ in self.derived), default=0)

    @property
    def is_caught_up(self) -> bool:
        """Whether derivation stands at L1's head, so that it has noticed every reorg."""
        status = self.replay.pipeline.status
        return status is not None and status.origin.hash == self.l1.head.hash

    def more_blocks(self, seed: int, *, until: int | None = None, transactions: int = 2) -> list[SequencedBlock]:
        """Blocks on top of the derived head with times before `until`, or before the next L1 block's."""
        settings = SequencerSettings(transactions=transactions, empty_chance=0, max_origin_lag=2)
        sequencer = Sequencer(self.config, self.l1, self.derived_head, Random(seed), settings)
        head = self.l1.head.header
        sequencer.produce(head.timestamp + 12 if until is None else until, head.number + 1)
        return [block for block in sequencer.chain if not block.conceded]

    def unlike_others(self, seed: int) -> list[SequencedBlock]:
        """More blocks, of which the first has transactions that nobody has seen before."""
        blocks = self.more_blocks(seed, transactions=6)
        return blocks if blocks[0].batch.transactions else self.unlike_others(seed + 1)

    def assert_derived(self, blocks: Sequence[SequencedBlock]) -> None:
        """These blocks are the safe chain's last ones."""
        hashes = [block.block.ref.hash for block in blocks]
        assert not hashes or self.observed.safe_chain[-len(hashes) :] == hashes, self.drops

    def payloads(self, blocks: Sequence[SequencedBlock], settings: BatcherSettings, frames: int, name: bytes) -> list[bytes]:
        """The payloads of one channel of these blocks, a frame each."""
        packed = [BatcherBlock(block.batch, block.sequence_number) for block in blocks]
        data = compress_channel(encode_batches(self.config, packed, settings.span_blocks), settings.compression, settings.level)
        return pack_frames(split_frames(name.rjust(16, b"\0"), data, max(1, -(-len(data) // frames))), 1)

    def post(self, transactions: Sequence[L1Transaction], *, seconds: int = 12) -> None:
        """One L1 block with these transactions, derived from."""
        self.l1.extend(transactions, seconds=seconds)
        self.feed()

    def fresh(self) -> RestartableReplay:
        """What a node derives that only ever saw the L1 chain as it is now."""
        replay = RestartableReplay(self.head, self._execution())
        for event in canonical_events(self.l1):
            replay.feed(event)
        return replay


def canonical_events(l1: FakeL1) -> list[RecordedItem]:
    """What an L1 shows to somebody who comes late."""
    chain = {block.hash for block in l1.chain}
    return [event for event in l1.events if isinstance(event, RecordedL1Block) and event.block.hash in chain]


# ---- what must hold ----


def assert_engine_consistent(network: ObservedNetwork) -> None:
    """Parents, times and L1 origins of the engine's chain follow each other; safe is not beyond pending safe."""
    engine, block_time = network.replay.engine, network.config.block_time
    parent = engine.by_number(0)
    assert parent is not None
    number = 1
    while (block := engine.by_number(number)) is not None:
        ref, before = block.ref, parent.ref
        assert (ref.number, ref.parent_hash, ref.timestamp) == (number, before.hash, before.timestamp + block_time)
        origin = network.l1.by_hash[ref.l1_origin.hash]
        assert origin.header.timestamp <= ref.timestamp
        if ref.l1_origin == before.l1_origin:
            assert ref.sequence_number == before.sequence_number + 1
        else:
            assert ref.l1_origin.number == before.l1_origin.number + 1  # no L1 block is without an L2 block
            assert origin.header.parent_hash == before.l1_origin.hash and ref.sequence_number == 0
        parent, number = block, number + 1
    status = network.replay.pipeline.status
    assert status is not None
    assert engine.safe.number <= status.pending_safe.number <= parent.ref.number
    assert status.safe == engine.safe


def assert_bounded(network: ObservedNetwork, posted: int) -> None:
    """What an idle pipeline keeps is no more than what was posted (bytes), and nothing that it could hand on."""
    stages, pipeline = network.observed.stages, network.replay.pipeline
    assert not stages.frames._frames and not stages.retrieval._pieces
    assert not pipeline._pending and not pipeline._journal.notices
    assert stages.reader._batches is None
    held = sum(len(frame.data) for channel in network.observed.channels for frame in channel._frames.values())
    assert held <= posted
    if isinstance(stages.batches, BatchQueue) and stages.batches.waiting:
        return  # a batch that waits for its L1 origin keeps those before it
    assert len(stages.epochs.l1_blocks) <= network.config.seq_window_size + 2


def _of(notices: Sequence[Notice], subject: Subject) -> list[Dropped | Progressed]:
    return [notice for notice in notices if isinstance(notice, Dropped | Progressed) and notice.subject is subject]


def assert_all_accounted_for(network: ObservedNetwork) -> None:
    """Each transaction, blob, frame, channel and batch has been dropped with a reason, has gone on, or is still there."""
    _account_for_transactions(network)
    _account_for_frames(network)
    _account_for_channels(network)
    _account_for_batches(network)


def _account_for_transactions(network: ObservedNetwork) -> None:
    notices = network.notices
    named = {notice.name for subject in (Subject.TRANSACTION, Subject.BLOB) for notice in _of(notices, subject)}
    dropped = {notice.name for subject in (Subject.TRANSACTION, Subject.BLOB) for notice in _of(notices, subject) if isinstance(notice, Dropped)}
    ended = dropped | {notice.detail.split(" from ", 1)[1] for notice in _of(notices, Subject.FRAME) if isinstance(notice, Progressed)}
    ecotone = network.config.fork_at(l2_timestamp=network.config.genesis.l2_time) >= Fork.ECOTONE
    for raw in (raw for block in network.l1.chain for raw in block.transactions):
        tx, name = decode_transaction(raw), transaction_hash(raw).hex()
        if tx.to != network.config.batch_inbox_address:
            continue
        assert name in named
        pieces = [name]
        if isinstance(tx, BlobTransaction) and ecotone:
            pieces = [f"blob {index} of {name}" for index in range(len(tx.blob_versioned_hashes))]
        assert ended.issuperset(pieces)


def _account_for_frames(network: ObservedNetwork) -> None:
    left: Counter[str] = Counter()
    for notice in _of(network.notices, Subject.FRAME):
        left[notice.name.split(":")[0]] += 1 if isinstance(notice, Progressed) else -1
    for notice in _of(network.notices, Subject.CHANNEL):
        if notice.detail.endswith(" frames"):
            left[notice.name] -= int(notice.detail.split()[0])
    for channel in network.observed.channels:
        left[channel.id.hex()] -= len(channel)
    assert not any(left.values())


def _account_for_channels(network: ObservedNetwork) -> None:
    read = 0  # notices since a channel was complete that are of its contents
    complete = False
    for notice in network.notices:
        if not isinstance(notice, Dropped | Progressed):
            continue
        if notice.subject is Subject.CHANNEL and isinstance(notice, Progressed) and notice.what == "complete":
            assert read or not complete, "a channel that came to nothing in silence"
            complete, read = True, 0
        elif notice.subject is Subject.BATCH or notice.name == "current":
            read += 1
    assert read or not complete


def _account_for_batches(network: ObservedNetwork) -> None:
    before_reading = (DropReason.BAD_BATCH, DropReason.BAD_SPAN_TRANSACTION, DropReason.SPAN_BATCH_BEFORE_DELTA, DropReason.SPAN_ABANDONED)
    left: Counter[str] = Counter()
    for notice in _of(network.notices, Subject.BATCH):
        if isinstance(notice, Progressed) and notice.what == "read":
            left[notice.name] += 1
        elif isinstance(notice, Progressed) and notice.what == "kept for later":
            continue
        elif not (isinstance(notice, Dropped) and notice.reason in before_reading):
            left[notice.name] -= 1
    batches = network.observed.stages.batches
    if isinstance(batches, BatchQueue):
        left.subtract(map(describe_batch, batches.waiting))
        assert max(left.values(), default=0) <= 0  # below it are the empty batches of expired windows
        return
    assert all(count <= 0 for name, count in left.items() if name.startswith("singular"))
    opened = sum(count for name, count in left.items() if name.startswith("span"))
    assert opened <= -sum(count for name, count in left.items() if name.startswith("singular"))
