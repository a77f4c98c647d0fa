"""Where the time of derivation goes: the parts of the steady recording, one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

from bench.recordings import load, recordings
from harness.recording import RecordedItem, RecordedL1Block, RecordingHead
from trinode.protocol.blob import decode_blob
from trinode.protocol.channel import read_batches
from trinode.protocol.frame import Frame, decode_frames
from trinode.protocol.span_batch import decode_span_batch

RUNS = 9
T = TypeVar("T")


def main() -> None:
    """Print CPU milliseconds for blobs, frames, inflating and span batches, each the median of several passes."""
    path = next((path for path in recordings() if path.name.startswith("steady")), None)
    if path is None:
        print("stages: no steady recording here")
        return
    head, items = load(path)
    blobs = [blob for item in items if isinstance(item, RecordedL1Block) for blob in item.blobs.values()]
    print(f"stages of {path.name}: CPU ms, median of {RUNS}")
    data = _timed(f"{len(blobs)} blobs", lambda: [decode_blob(blob) for blob in blobs])
    frames = _timed("frames", lambda: [frame for piece in data for frame in decode_frames(piece)])
    channels = _channels(items, frames)
    batches = _timed(f"inflating {len(channels)} channels", lambda: _inflate(channels))
    spans = [batch for batch in batches if batch[0] == 1]
    _timed(f"{len(spans)} span batches", lambda: _decode(head, spans))


def _timed(name: str, work: Callable[[], T]) -> T:
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        result = work()
        times.append(time.process_time() - started)
    print(f"  {name:26} {median(times) * 1000:7.1f}")
    return result


def _channels(_items: list[RecordedItem], frames: list[Frame]) -> list[bytes]:
    parts: dict[bytes, list[Frame]] = {}
    for frame in frames:
        parts.setdefault(frame.channel_id, []).append(frame)
    return [b"".join(frame.data for frame in sorted(channel, key=lambda frame: frame.number)) for channel in parts.values()]


def _inflate(channels: list[bytes]) -> list[bytes]:
    return [batch for channel in channels for batch in read_batches(channel, brotli_allowed=True, max_rlp_bytes=100_000_000)]


def _decode(head: RecordingHead, spans: list[bytes]) -> int:
    config = head.rollup_config
    count = 0
    for span in spans:
        batch = decode_span_batch(
            span[1:], block_time=config.block_time, genesis_timestamp=config.genesis.l2_time, chain_id=config.l2_chain_id
        )
        count += batch.transaction_count
    return count
