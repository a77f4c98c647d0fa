"""A batcher: L2 blocks become batches, a channel, frames, and transactions of L1 (OP Stack specification: derivation,
"Batch Submission Wire Format"; delta/span-batches; ecotone/derivation, "Blob Encoding"; fjord/derivation, "Brotli
Channel Compression").

Each step is a function of its own, so that `damage` and `bad_batches` can come between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.fake_l1 import L1Transaction
from trinode.kzg.commitments import blob_versioned_hash
from trinode.protocol.batch import SingularBatch, encode_singular_batch
from trinode.protocol.blob import encode_blob
from trinode.protocol.channel import ChannelCompression, compress_channel
from trinode.protocol.frame import CHANNEL_ID_SIZE, Frame, encode_frames
from trinode.protocol.span_batch import encode_span_batch
from trinode.protocol.transaction import (
    BlobTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    SignedTransaction,
    encode_transaction,
    legacy_v,
    recover_sender,
    sign_transaction,
)
from trinode.protocol.types import Address
from trinode.rollup.config import RollupConfig

_MAX_FEE = 10**11
_CALLDATA_GAS = 2_000_000
_TRANSFER_GAS = 21_000


@dataclass(frozen=True, slots=True)
class BatcherSettings:
    """How blocks are packed.

    `span_blocks`: blocks in each span batch; None for singular batches. `level`: of the compression, None for its best.
    `frame_size`: bytes of channel data in a frame. `frames_per_payload`: frames in one calldata or blob.
    `blobs_per_transaction`: blobs in one transaction; None for calldata, in transactions of type 2, or of type 0 if
    `legacy`.
    """

    span_blocks: int | None = None
    compression: ChannelCompression = ChannelCompression.ZLIB
    level: int | None = None
    frame_size: int = 100_000
    frames_per_payload: int = 1
    blobs_per_transaction: int | None = None
    legacy: bool = False


class BatcherBlock(NamedTuple):
    """An L2 block as a batcher sees it; `sequence_number` counts the blocks of its L1 origin from 0."""

    batch: SingularBatch
    sequence_number: int


def encode_batches(config: RollupConfig, blocks: Sequence[BatcherBlock], span_blocks: int | None) -> list[bytes]:
    """Batches with their type byte: one for each block, or one span for each `span_blocks` of them."""
    if span_blocks is None:
        return [encode_singular_batch(block.batch) for block in blocks]
    return [encode_span(config, blocks[start : start + span_blocks]) for start in range(0, len(blocks), span_blocks)]


def encode_span(config: RollupConfig, blocks: Sequence[BatcherBlock]) -> bytes:
    """One span of consecutive blocks. Raises ValueError where a transaction cannot be in a span."""
    return encode_span_batch(
        [block.batch for block in blocks],
        genesis_timestamp=config.genesis.l2_time,
        chain_id=config.l2_chain_id,
        starts_epoch=blocks[0].sequence_number == 0,
    )


def split_frames(channel_id: bytes, channel: bytes, frame_size: int) -> list[Frame]:
    """The frames of a channel, in order; an empty channel has one empty frame."""
    if len(channel_id) != CHANNEL_ID_SIZE:
        raise ValueError(f"a channel id has {CHANNEL_ID_SIZE} bytes, not {len(channel_id)}")
    starts = range(0, max(1, len(channel)), frame_size)
    last = len(starts) - 1
    return [Frame(channel_id, n, channel[start : start + frame_size], n == last) for n, start in enumerate(starts)]


def pack_frames(frames: Sequence[Frame], frames_per_payload: int) -> list[bytes]:
    """What goes into calldata or blobs, one item each."""
    return [
        encode_frames(frames[start : start + frames_per_payload]) for start in range(0, len(frames), frames_per_payload)
    ]


def encode_channel(settings: BatcherSettings, channel_id: bytes, batches: Sequence[bytes]) -> list[Frame]:
    """The frames of a channel with these batches."""
    return split_frames(
        channel_id, compress_channel(batches, settings.compression, settings.level), settings.frame_size
    )


def encode_payloads(
    config: RollupConfig, settings: BatcherSettings, channel_id: bytes, blocks: Sequence[BatcherBlock]
) -> list[bytes]:
    """From blocks to the payloads of batcher transactions, without any damage."""
    frames = encode_channel(settings, channel_id, encode_batches(config, blocks, settings.span_blocks))
    return pack_frames(frames, settings.frames_per_payload)


class BatcherAccount:
    """An L1 account that sends data to the inbox; its nonce counts up."""

    def __init__(self, private_key: bytes, chain_id: int, inbox: Address) -> None:
        self._private_key = private_key
        self._chain_id = chain_id
        self._inbox = inbox
        self._nonce = 0
        self.address = address_of(private_key)

    def calldata(self, payload: bytes, *, legacy: bool = False) -> L1Transaction:
        """A transaction of type 2, or 0, with `payload` as its calldata."""
        call = (self._inbox, 0, payload)
        if legacy:
            return self._sign(
                LegacyTransaction(self._next_nonce(), _MAX_FEE, _CALLDATA_GAS, *call, v=legacy_v(self._chain_id))
            )
        return self._sign(DynamicFeeTransaction(self._chain_id, self._next_nonce(), 1, _MAX_FEE, _CALLDATA_GAS, *call))

    def blobs(self, payloads: Sequence[bytes], *, calldata: bytes = b"") -> L1Transaction:
        """A transaction of type 3 whose blobs hold one payload each."""
        return self.raw_blobs([encode_blob(payload) for payload in payloads], calldata=calldata)

    def raw_blobs(self, blobs: Sequence[bytes], *, calldata: bytes = b"") -> L1Transaction:
        """A transaction of type 3 with these blobs (131,072 bytes each), whatever they hold.

        Raises KzgError if one cannot be a blob.
        """
        by_hash = [(blob_versioned_hash(blob), blob) for blob in blobs]
        hashes = tuple(name for name, _ in by_hash)
        call = (_TRANSFER_GAS, self._inbox, 0, calldata, ())
        tx = BlobTransaction(self._chain_id, self._next_nonce(), 1, _MAX_FEE, *call, _MAX_FEE, hashes)
        return self._sign(tx, dict(by_hash))

    def send(self, payloads: Sequence[bytes], settings: BatcherSettings) -> list[L1Transaction]:
        """Transactions with these payloads, in the settings' form."""
        step = settings.blobs_per_transaction
        if step is None:
            return [self.calldata(payload, legacy=settings.legacy) for payload in payloads]
        return [self.blobs(payloads[start : start + step]) for start in range(0, len(payloads), step)]

    def sign(self, make: Callable[[int], SignedTransaction]) -> L1Transaction:
        """Any transaction, made for the next nonce."""
        return self._sign(make(self._next_nonce()))

    def _sign(self, tx: SignedTransaction, blobs: dict[bytes, bytes] | None = None) -> L1Transaction:
        return L1Transaction(encode_transaction(sign_transaction(tx, self._private_key)), blobs=blobs or {})

    def _next_nonce(self) -> int:
        self._nonce += 1
        return self._nonce - 1


def address_of(private_key: bytes) -> Address:
    """The address of the account with this key (32 bytes)."""
    return recover_sender(sign_transaction(LegacyTransaction(0, 0, 0, None, 0, b""), private_key))
