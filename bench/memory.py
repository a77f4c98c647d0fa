"""Memory of derivation by input size: the same kinds of L1 data, more and more of it; what the pipeline holds must not grow with it.

Each size runs in a process of its own. The driver keeps only the last L2 block and the L1 blocks of one sequencing window,
so that what is measured is the pipeline's own.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections import deque
from functools import cache
from random import Random

from harness.batcher import BatcherAccount
from harness.fake_execution import make_block
from harness.fake_l1 import FakeL1
from harness.scenario import BATCHER_KEYS, Scenario, make_head, make_l1
from trinode.derive.events import (
    DerivedAttributes,
    Idle,
    NeedBlobs,
    NeedL1Block,
    NeedL1BlockByHash,
    NeedL2Block,
    NeedL2BlockByNumber,
)
from trinode.derive.pipeline import Pipeline
from trinode.derive.sync_start import L2Heads
from trinode.protocol.channel import ChannelCompression, compress_channel
from trinode.protocol.frame import Frame, encode_frames
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

SIZES = (25, 50, 100, 200)
BYTES_PER_BLOCK = 500_000
SEQ_WINDOW = 10


def main() -> None:
    """Print peak memory for each size and fork."""
    print(f"memory: peak MiB by L1 blocks with {BYTES_PER_BLOCK // 1000} kB of batcher data each (unfinished channels, garbage, bombs)")
    print(f"{'fork':10}" + "".join(f"{size:>8}" for size in SIZES))
    context = multiprocessing.get_context("spawn")
    for fork in (Fork.GRANITE, Fork.KARST):
        peaks = []
        for size in SIZES:
            with context.Pool(1) as pool:
                peaks.append(pool.apply(peak_mib, (fork, size)))
        print(f"{fork.label:10}" + "".join(f"{peak:8.0f}" for peak in peaks))


def peak_mib(fork: Fork, l1_blocks: int) -> float:
    """Derive from so many L1 blocks of data that comes to nothing, and give this process's peak memory."""
    forks = {known.label: 0 for known in SCHEDULED_FORKS if known <= fork}
    scenario = Scenario(forks=forks, seq_window=SEQ_WINDOW, channel_timeout=5)
    l1 = make_l1(scenario)
    head = make_head(scenario, l1, "bench")
    batcher = BatcherAccount(BATCHER_KEYS[0], head.rollup_config.l1_chain_id, head.rollup_config.batch_inbox_address)
    random = Random(1)
    pipeline = Pipeline(head.rollup_config, head.l1_chain_config)
    start = head.l2_start.block
    recent = deque([start], maxlen=200)
    pipeline.reset(L2Heads(start.ref, start.ref, start.ref))
    for _ in range(l1_blocks):
        l1.extend([batcher.calldata(payload) for payload in _payloads(random)])
        while not isinstance(event := pipeline.next_event(), Idle):
            if isinstance(event, DerivedAttributes):
                block = make_block(head.rollup_config, event.parent, event.attributes)
                recent.append(block)
                pipeline.receive(block)
            elif isinstance(event, NeedL1Block):
                pipeline.receive(l1.by_number(event.number))
            elif isinstance(event, NeedL1BlockByHash):
                pipeline.receive(l1.by_hash.get(event.id.hash))
            elif isinstance(event, NeedBlobs):
                pipeline.receive(l1.blobs_of(event.hashes))
            elif isinstance(event, NeedL2Block | NeedL2BlockByNumber):
                pipeline.receive(next(block for block in recent if event in (NeedL2Block(block.ref.hash), NeedL2BlockByNumber(block.ref.number))))
        _forget(l1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _payloads(random: Random) -> list[bytes]:
    """An unfinished channel, frames of garbage, and a channel that inflates without end."""
    third = BYTES_PER_BLOCK // 3
    unfinished = Frame(random.randbytes(16), 0, random.randbytes(third), False)
    garbage = Frame(random.randbytes(16), 0, random.randbytes(third), True)
    bomb = Frame(random.randbytes(16), 0, _bomb(), True)
    return [encode_frames([unfinished]), encode_frames([garbage]), encode_frames([bomb])]


@cache
def _bomb() -> bytes:
    return compress_channel([bytes(20_000_000)], ChannelCompression.BROTLI, 1)


def _forget(l1: FakeL1) -> None:
    """Let the fake L1 forget the data of blocks that are out of every window: it is no part of what is measured."""
    for block in l1.chain[-4 * SEQ_WINDOW - 1 : -4 * SEQ_WINDOW]:
        object.__setattr__(block, "transactions", ())
    l1.events.clear()
