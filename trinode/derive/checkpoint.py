"""Where derivation may go on after a restart, without the walk back over L2 and without reading L1 again.

A checkpoint is the whole state of the stages at the moment when the data of one L1 block is used up: nothing is half read then, so that the
state is small. What is kept for later is in it (open channels, batches of the future), so that it goes forward with every L1 block, also where
channels overlap without end. Derivation is a function of L1: a checkpoint holds as long as its L1 block is canonical and the engine has its
safe block, and what comes out after it is exactly what would have come out without a restart. (The specification has only the walk:
derivation, "Resetting the Pipeline".)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import msgspec

from trinode.derive.events import Steps, l1_block_by_number, l2_block_by_number
from trinode.derive.sync_start import MAX_REORG_SEQUENCE_WINDOWS, L2Heads
from trinode.protocol.block import L1BlockRef
from trinode.protocol.errors import DecodingError
from trinode.protocol.frame import FRAME_OVERHEAD, Frame
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2Block, L2BlockRef
from trinode.rollup.system_config import SystemConfig

FORMAT = 1
"""Anything that changes what the bytes of a checkpoint mean gets another number."""
MAX_BUFFERED_BYTES = 16 << 20
"""Of frames and batches in a checkpoint. With more of them open no new one is made: the one before stays good."""
MAX_WAITING = 10_000
"""Batches of the queue in a checkpoint, likewise: few posted bytes can inflate to millions."""


class CheckpointDecodingError(DecodingError):
    """Not a checkpoint, or one of another version."""


class OpenChannel(NamedTuple):
    """A channel under assembly. `size` as the stages count it; `end`: number of the closing frame, None while it is missing."""

    id: bytes
    open_block_number: int
    size: int
    end: int | None
    highest: int
    frames: tuple[Frame, ...]


class WaitingBatch(NamedTuple):
    """A batch that the batch queue keeps, encoded, in the order of reading. `future`: it waits for its time, apart from the others."""

    encoded: bytes
    inclusion: L1BlockRef
    future: bool


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The stages' state when the data of the L1 block `origin` is used up.

    `system_config` is L1 traversal's. `safe` is also pending safe. `l1_blocks` are the epochs' (see `Epochs`). `strict`: Holocene's stages
    are at work, which does not follow from the origin's time alone.
    """

    origin: L1BlockRef
    system_config: SystemConfig
    safe: L2BlockRef
    l1_blocks: tuple[L1BlockRef, ...]
    strict: bool
    channels: tuple[OpenChannel, ...]
    batches: tuple[WaitingBatch, ...]

    @property
    def buffered_bytes(self) -> int:
        """Bytes of the frames and batches kept for later, with the specification's overhead of each frame."""
        frames = sum(len(frame.data) + FRAME_OVERHEAD for channel in self.channels for frame in channel.frames)
        return frames + sum(len(batch.encoded) for batch in self.batches)

    def to_bytes(self) -> bytes:
        """The format's number (1 byte) and the fields as MessagePack."""
        return bytes((FORMAT,)) + msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """The inverse of `to_bytes`. Raises CheckpointDecodingError."""
        if data[:1] != bytes((FORMAT,)):
            raise CheckpointDecodingError(f"a checkpoint in format {data[0] if data else 'none'}, and this version reads {FORMAT}")
        try:
            return msgspec.msgpack.decode(data[1:], type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CheckpointDecodingError(f"the checkpoint does not decode: {error}") from error


class Resumed(NamedTuple):
    """A checkpoint that holds: the heads to go on from, and the safe block with its transactions and system config."""

    checkpoint: Checkpoint
    heads: L2Heads
    safe: L2Block


Refusal: TypeAlias = str
"""Why a checkpoint is of no use, in one line."""


def resume(config: RollupConfig, heads: L2Heads, checkpoint: Checkpoint) -> Steps[Resumed | Refusal]:
    """Whether the checkpoint holds on L1 and in the engine as they are now.

    L1 that does not show the checkpoint's block yet says nothing against it: derivation stands there and waits, as it does where an endpoint
    falls behind, and finds out with the next block. The engine's own safe label does not matter, for the checkpoint says what is safe; only
    the finalized block never goes back: where it is after the checkpoint's safe block, the heads found name it, and the blocks between are
    derived once more.
    """
    safe, origin = checkpoint.safe, checkpoint.origin
    if heads.unsafe.number < max(heads.safe.number, heads.finalized.number, safe.number):
        return f"the engine's head {heads.unsafe.number} is behind its labels, or behind the checkpoint's safe block {safe.number}"
    l1_block = yield from l1_block_by_number(origin.number)
    if l1_block is not None and l1_block.hash != origin.hash:
        return f"L1 block {origin.number} is 0x{l1_block.hash.hex()} now, not 0x{origin.hash.hex()}"
    found = yield from l2_block_by_number(safe.number)
    if found is None or found.ref != safe:
        return f"the engine's block {safe.number} is not the checkpoint's safe block 0x{safe.hash.hex()}"
    final = yield from l2_block_by_number(heads.finalized.number)
    if final is None or final.ref.hash != heads.finalized.hash:
        return f"the finalized L2 block {heads.finalized.number} is not in the engine's chain"
    lowest = max(safe, heads.finalized, key=lambda ref: ref.number)
    unsafe = yield from _last_usable(heads.unsafe, lowest)
    if unsafe.l1_origin.number + config.seq_window_size * MAX_REORG_SEQUENCE_WINDOWS < heads.unsafe.l1_origin.number:
        return f"the unsafe chain is of another L1 chain from L2 block {unsafe.number} on, which is too deep"
    return Resumed(checkpoint, replace(heads, unsafe=unsafe, safe=lowest), found)


def _last_usable(unsafe: L2BlockRef, lowest: L2BlockRef) -> Steps[L2BlockRef]:
    """The highest block up to `unsafe` whose L1 origin is canonical, or `unsafe` itself where only L1's head is behind it.

    L1 origins never go back from block to block. So first come those that are canonical (`lowest` is), then those of another L1 chain,
    then those beyond L1's head; where the first ones end is found by halves.
    """
    if unsafe.number == lowest.number:
        return unsafe
    standing = yield from _origin_is_canonical(unsafe)
    canonical, limit = (unsafe if standing else lowest), unsafe
    while limit.number - canonical.number > 1:
        middle = yield from l2_block_by_number((canonical.number + limit.number) // 2)
        if middle is None:
            return lowest  # the engine moves at the same time: what is above is found again as it is derived
        here = yield from _origin_is_canonical(middle.ref)
        if here:
            canonical = middle.ref
        else:
            limit, standing = middle.ref, here
    return unsafe if standing is None else canonical


def _origin_is_canonical(ref: L2BlockRef) -> Steps[bool | None]:
    """None: L1 is not there yet."""
    l1_block = yield from l1_block_by_number(ref.l1_origin.number)
    return None if l1_block is None else l1_block.hash == ref.l1_origin.hash
