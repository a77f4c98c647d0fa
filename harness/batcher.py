"""The batcher's steps (`trinode.batcher.encoding`) with made-up settings and an account that signs for a made-up L1; `damage` and
`bad_batches` come between the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.fake_l1 import L1Transaction
from trinode.batcher.encoding import BatcherBlock, encode_batches, encode_span, pack_frames, split_frames
from trinode.kzg.commitments import blob_versioned_hash
from trinode.protocol.blob import encode_blob
from trinode.protocol.channel import ChannelCompression, compress_channel
from trinode.protocol.frame import Frame
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

__all__ = [
    "BatcherAccount",
    "BatcherBlock",
    "BatcherSettings",
    "address_of",
    "encode_batches",
    "encode_channel",
    "encode_payloads",
    "encode_span",
    "pack_frames",
    "split_frames",
]

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
