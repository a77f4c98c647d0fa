"""What a checkpoint holds, when there is one, and when it is refused."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from tests.unit.derive.network import Network
from trinode.derive import batch_queue, pipeline
from trinode.derive.checkpoint import Checkpoint, CheckpointDecodingError
from trinode.derive.events import CheckpointIgnored, CheckpointUsed, HeadsFound, Idle, NeedL1Block, Request
from trinode.derive.pipeline import Pipeline
from trinode.derive.sync_start import L2Heads
from trinode.protocol.batch import SingularBatch
from trinode.protocol.block import L1BlockRef
from trinode.protocol.types import BlockId
from trinode.rollup.fork import Fork
from trinode.rollup.l2_block import L2BlockRef


def checkpoint_of(network: Network) -> Checkpoint:
    checkpoint = network.replay.pipeline.checkpoint()
    assert checkpoint is not None
    return checkpoint


def derived(fork: Fork = Fork.HOLOCENE) -> Network:
    """Six L2 blocks are safe, in two L1 blocks."""
    network = Network(fork)
    for numbers in ([1, 2, 3], [4, 5, 6]):
        frames = network.channel(numbers)
        network.include(*frames)
    network.assert_safe(6)
    return network


class Outcome:
    """What a new pipeline says and asks until it is idle. Counts the requests of L1."""

    def __init__(self, network: Network, checkpoints: Iterable[Checkpoint], heads: L2Heads | None = None) -> None:
        self.used: list[BlockId] = []
        self.reasons: list[str] = []
        self.found: HeadsFound | None = None
        self.l1_requests: list[int] = []
        fresh = Pipeline(network.config, network.head.l1_chain_config)
        fresh.reset(heads or network.replay.engine.heads, checkpoints)
        while not isinstance(event := fresh.next_event(), Idle):
            if isinstance(event, Request):
                if isinstance(event, NeedL1Block):
                    self.l1_requests.append(event.number)
                fresh.receive(network.replay._answer(event))
            elif isinstance(event, CheckpointUsed):
                self.used.append(event.origin)
            elif isinstance(event, CheckpointIgnored):
                self.reasons.append(event.reason)
            elif isinstance(event, HeadsFound):
                self.found = event
        self.pipeline = fresh


# ---- what it holds ----


def test_a_checkpoint_stands_at_the_l1_block_that_is_used_up() -> None:
    network = derived()
    checkpoint = checkpoint_of(network)
    status = network.replay.pipeline.status
    assert status is not None
    assert (checkpoint.origin, checkpoint.safe) == (status.origin, status.safe)
    assert checkpoint.strict and not checkpoint.channels and not checkpoint.batches
    assert [block.number for block in checkpoint.l1_blocks] == list(range(status.safe.l1_origin.number, status.origin.number + 1))


@pytest.mark.parametrize("fork", [Fork.FJORD, Fork.HOLOCENE])
def test_an_open_channel_goes_with_it(fork: Fork) -> None:
    network = Network(fork)
    first, second = network.channel([1, 2], frames=2)
    network.include(first)
    checkpoint = checkpoint_of(network)
    assert [channel.frames for channel in checkpoint.channels] == [(first,)]
    assert checkpoint.strict is (fork >= Fork.HOLOCENE)
    network.replay.pipeline = Outcome(network, [checkpoint]).pipeline
    network.include(second)
    network.assert_safe(2)


def test_batches_of_the_future_go_with_it() -> None:
    network = Network(Fork.FJORD)
    network.include(*network.channel([network.span([3, 4])]), *network.channel([5]))
    checkpoint = checkpoint_of(network)
    assert [batch.future for batch in checkpoint.batches] == [True, True]
    network.replay.pipeline = Outcome(network, [Checkpoint.from_bytes(checkpoint.to_bytes())]).pipeline
    network.include(*network.channel([1, 2]))
    network.assert_safe(5)


def test_a_batch_that_waits_for_its_l1_origin_goes_with_it() -> None:
    network = Network(Fork.FJORD, max_origin_lag=0)
    batch: SingularBatch = network.batch(1)
    ahead = batch._replace(epoch_number=batch.epoch_number + network.l1.head.header.number + 1, epoch_hash=bytes(32))
    network.include(*network.channel([ahead]))
    assert all(not waiting.future for waiting in checkpoint_of(network).batches)


def test_a_checkpoint_is_the_same_after_bytes_and_pickle() -> None:
    network = Network(Fork.FJORD)
    network.include(network.channel([1, 2], frames=2)[0], *network.channel([4]))
    checkpoint = checkpoint_of(network)
    assert checkpoint.channels and checkpoint.batches
    assert Checkpoint.from_bytes(checkpoint.to_bytes()) == checkpoint
    assert pickle.loads(pickle.dumps(checkpoint)) == checkpoint


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x02\x80", b"\x01", b"\x01\x80", b"\x01\xc1", b"\x01\xd9\xffabc", b"\x01\x81\xa6origin\x01"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CheckpointDecodingError):
        Checkpoint.from_bytes(data)


def test_cut_bytes_are_refused() -> None:
    data = checkpoint_of(derived()).to_bytes()
    for size in range(len(data)):
        with pytest.raises(CheckpointDecodingError):
            Checkpoint.from_bytes(data[:size])


# ---- when there is one ----


def test_with_too_much_buffered_the_one_before_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    network = derived()
    before = checkpoint_of(network)
    monkeypatch.setattr(pipeline, "MAX_BUFFERED_BYTES", 100)
    first, second = network.channel([7, 8], frames=2)
    network.include(first)
    assert checkpoint_of(network) == before
    network.include(second)
    assert checkpoint_of(network).origin.number == before.origin.number + 2


def test_with_too_many_batches_the_one_before_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    network = derived(Fork.FJORD)
    before = checkpoint_of(network)
    monkeypatch.setattr(batch_queue, "MAX_WAITING", 2)
    network.include(*network.channel([8, 9, 10]))
    assert checkpoint_of(network) == before
    network.include(*network.channel([7]))
    assert checkpoint_of(network).safe.number == 10


def test_a_pipeline_that_begins_has_none() -> None:
    network = derived()
    fresh = Pipeline(network.config, network.head.l1_chain_config)
    assert fresh.checkpoint() is None
    fresh.reset(network.replay.engine.heads, [checkpoint_of(network)])
    assert fresh.checkpoint() is None
    network.replay.pipeline.reset(network.replay.engine.heads)
    assert network.replay.pipeline.checkpoint() is None


# ---- going on ----


def test_going_on_asks_l1_for_the_checkpoints_block_and_the_next() -> None:
    network = derived()
    checkpoint = checkpoint_of(network)
    outcome = Outcome(network, [checkpoint])
    assert outcome.used == [checkpoint.origin.id] and not outcome.reasons
    assert outcome.l1_requests == [checkpoint.origin.number, checkpoint.origin.number + 1]
    assert outcome.found is not None and outcome.found.l1_base == checkpoint.origin.id
    assert outcome.found.safe == checkpoint.safe
    assert outcome.pipeline.checkpoint() == checkpoint
    assert outcome.pipeline.status == network.replay.pipeline.status


def test_an_l1_that_is_behind_says_nothing_against_it() -> None:
    network = derived()
    checkpoint = checkpoint_of(network)
    hidden = network.replay.l1.chain.pop()
    assert hidden.hash == checkpoint.origin.hash
    assert Outcome(network, [checkpoint]).used == [checkpoint.origin.id]


def test_the_engines_safe_label_does_not_matter() -> None:
    network = derived()
    checkpoint = checkpoint_of(network)
    heads = network.replay.engine.heads
    genesis = network.head.l2_start.block.ref
    outcome = Outcome(network, [checkpoint], replace(heads, safe=genesis, finalized=genesis))
    assert outcome.found is not None and outcome.found.safe == checkpoint.safe


def test_a_finalized_block_after_the_safe_one_stays_final() -> None:
    network = Network()
    network.include(*network.channel([1, 2, 3]))
    early = checkpoint_of(network)
    network.include(*network.channel([4, 5, 6]))
    heads = replace(network.replay.engine.heads, finalized=network.replay.engine.safe)
    outcome = Outcome(network, [early], heads)
    assert outcome.found is not None and outcome.found.safe == heads.finalized
    assert outcome.pipeline.status == network.replay.pipeline.status


def unsafe_beyond(network: Network, count: int) -> Sequence[L2BlockRef]:
    """The sequencer's blocks after the safe head, in the engine."""
    blocks = [network.block(number).block for number in range(network.safe + 1, count + 1)]
    for block in blocks:
        network.replay.engine.put(block, BlockId(0, bytes(32)), concluding=False)
    return [block.ref for block in blocks]


def test_unsafe_blocks_stay() -> None:
    network = derived()
    checkpoint = checkpoint_of(network)
    unsafe = unsafe_beyond(network, 60)
    outcome = Outcome(network, [checkpoint])
    assert outcome.found is not None and outcome.found.unsafe == unsafe[-1]
    assert outcome.l1_requests[1] == unsafe[-1].l1_origin.number


@pytest.mark.parametrize("depth", [1, 2, 5, 8])
@pytest.mark.parametrize("missing", [0, 1, 3])
def test_unsafe_blocks_of_another_l1_chain_go(depth: int, missing: int) -> None:
    """Also where L1's head is behind the origins of the newest of them."""
    network = derived()
    checkpoint = checkpoint_of(network)
    network.empty(12)
    unsafe = unsafe_beyond(network, 85)
    gone = {block.hash for block in network.l1.rewind(depth)}
    view = network.replay.l1
    del view.chain[len(view.chain) - depth :]
    for _ in range(depth - missing):
        view.chain.append(network.l1.extend(seconds=13))
    resumed, walked = Outcome(network, [checkpoint]), Outcome(network, [])
    assert resumed.used and resumed.found is not None and walked.found is not None
    head = view.chain[-1].header.number
    orphans = [ref for ref in unsafe if ref.l1_origin.hash in gone and ref.l1_origin.number <= head]
    usable = network.block(orphans[0].number - 1).block.ref if orphans else unsafe[-1]
    assert resumed.found.unsafe == walked.found.unsafe == usable


def test_an_l1_reorg_is_answered_by_an_older_one() -> None:
    network = derived()
    older = checkpoint_of(network)
    network.empty(2)
    newer = checkpoint_of(network)
    network.reorg(1)
    network.l1.extend(seconds=14)
    network.replay.l1.add(network.l1.events[-1])  # type: ignore[arg-type]
    outcome = Outcome(network, [newer, older])
    assert outcome.used == [older.origin.id]
    assert outcome.reasons[0].startswith(f"L1 block {newer.origin.number} is 0x")


def test_an_engine_that_is_behind_is_answered_by_a_walk() -> None:
    network = derived()
    checkpoint = checkpoint_of(network)
    block = network.replay.engine.by_number(2)
    assert block is not None
    genesis = network.head.l2_start.block.ref
    outcome = Outcome(network, [checkpoint], L2Heads(block.ref, genesis, genesis))
    assert not outcome.used and "is behind" in outcome.reasons[0]
    assert outcome.found is not None and outcome.pipeline.status == network.replay.pipeline.status


def test_another_safe_block_is_refused() -> None:
    network = derived()
    checkpoint = checkpoint_of(network)
    other = replace(checkpoint, safe=replace(checkpoint.safe, hash=bytes(32)))
    outcome = Outcome(network, [other])
    assert "is not the checkpoint's safe block" in outcome.reasons[0] and outcome.found is not None


def test_another_finalized_block_is_refused() -> None:
    network = derived()
    heads = network.replay.engine.heads
    other = replace(heads, finalized=replace(heads.finalized, hash=bytes(32)))
    fresh = Pipeline(network.config, network.head.l1_chain_config)
    fresh.reset(other, [checkpoint_of(network)])
    while isinstance(event := fresh.next_event(), Request):
        fresh.receive(network.replay._answer(event))
    assert isinstance(event, CheckpointIgnored) and "finalized" in event.reason


def test_l1_blocks_are_plain_references() -> None:
    assert all(type(block) is L1BlockRef for block in Checkpoint.from_bytes(checkpoint_of(derived()).to_bytes()).l1_blocks)
