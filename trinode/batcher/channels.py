"""Closed channels: cut into the data of L1 transactions, and kept until derivation has made their blocks safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trinode.batcher.channel_builder import frame_size, takes_blobs
from trinode.batcher.encoding import OriginBlock, pack_frames, split_frames
from trinode.batcher.fees import Fees, Quote, blobs_cost, calldata_cost
from trinode.batcher.l1_sender import L1Head
from trinode.batcher.settings import BatcherSettings, DataAvailability
from trinode.batcher.sidecar import Sidecar
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork

_HOLOCENE_MARGIN = 120
"""Seconds before Holocene in which no channel of several transactions is begun: what is unfinished then is forgotten."""


@dataclass(slots=True, eq=False)
class Submission:
    """The data of one L1 transaction, and what became of it. `nonce` None: not sent yet.

    `sent`: the hashes of all its versions, the newest last, and `sent_at` when that was. `accepted`: L1 has taken one of them.
    `act_at`: when to send again, if it is in no block then, and `raise_fees`: with more fees. `looked_at`: L1's head when its
    `inclusion` was last seen, and `missing_since` when its nonce was first seen used without it. All times are the clock's.
    """

    payloads: tuple[bytes, ...]
    in_blobs: bool
    sidecar: Sidecar | None = None
    nonce: int | None = None
    fees: Fees | None = None
    sent: list[Hash32] = field(default_factory=list)
    sent_at: float = 0.0
    accepted: bool = False
    act_at: float = 0.0
    raise_fees: bool = False
    inclusion: BlockId | None = None
    looked_at: Hash32 | None = None
    missing_since: float | None = None


@dataclass(slots=True, eq=False)
class Channel:
    """Blocks, their L2 ids in order, and what is to be sent of them, in order."""

    id: bytes
    blocks: tuple[BlockId, ...]
    submissions: tuple[Submission, ...]

    @property
    def last(self) -> BlockId:
        """The last block."""
        return self.blocks[-1]

    @property
    def begun(self) -> bool:
        """Whether something of it was sent."""
        return self.submissions[0].nonce is not None

    @property
    def opened_in(self) -> int | None:
        """Number of the L1 block that has its first frame."""
        inclusion = self.submissions[0].inclusion
        return None if inclusion is None else inclusion.number

    @property
    def completed_in(self) -> int | None:
        """Number of the L1 block that has its last frame, once all are there."""
        numbers = [submission.inclusion.number for submission in self.submissions if submission.inclusion is not None]
        return max(numbers) if len(numbers) == len(self.submissions) else None

    def hash_at(self, number: int) -> Hash32 | None:
        """Hash of its block of this number."""
        index = number - self.blocks[0].number
        return self.blocks[index].hash if 0 <= index < len(self.blocks) else None

    def must_wait(self, config: RollupConfig, head: L1Head) -> bool:
        """Whether Holocene could come between its transactions."""
        if self.begun or len(self.submissions) == 1 or config.is_active(Fork.HOLOCENE, l1_inclusion_timestamp=head.timestamp):
            return False
        return config.is_active(Fork.HOLOCENE, l1_inclusion_timestamp=head.timestamp + _HOLOCENE_MARGIN)


def cut_channel(
    config: RollupConfig,
    settings: BatcherSettings,
    channel_id: bytes,
    data: bytes,
    blocks: Sequence[OriginBlock],
    head: L1Head,
    quote: Quote,
    most_blobs: int,
) -> Channel:
    """The channel with that data (compressed), as blobs or calldata. `most_blobs`: of one L1 block."""
    as_calldata = _payloads(channel_id, data, frame_size(settings, in_blobs=False))
    if not takes_blobs(config, head) or quote.blob_base_fee is None or settings.data_availability is DataAvailability.CALLDATA:
        as_blobs, step, in_blobs = [], 1, False
    else:
        as_blobs = _payloads(channel_id, data, frame_size(settings, in_blobs=True))
        step = min(settings.max_blobs_per_transaction, most_blobs)
        transactions = -(-len(as_blobs) // step)
        dear = blobs_cost(quote, transactions, len(as_blobs)) > calldata_cost(quote, as_calldata)
        in_blobs = not (dear and settings.data_availability is DataAvailability.AUTO)
    payloads, step = (as_blobs, step) if in_blobs else (as_calldata, 1)
    submissions = tuple(Submission(tuple(payloads[start : start + step]), in_blobs) for start in range(0, len(payloads), step))
    return Channel(channel_id, tuple(block.id for block in blocks), submissions)


def _payloads(channel_id: bytes, data: bytes, size: int) -> list[bytes]:
    return pack_frames(split_frames(channel_id, data, size), 1)
