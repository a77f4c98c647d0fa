"""Batcher data of public chains and of op-node's own tests (../shared/data/batches, ../shared/data/blobs)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.shared import shared
from trinode.protocol.batch import SPAN_BATCH_TYPE, SingularBatch, decode_singular_batch
from trinode.protocol.blob import BlobDecodingError, decode_blob, encode_blob
from trinode.protocol.channel import read_batches
from trinode.protocol.frame import decode_frames
from trinode.protocol.keccak import keccak256
from trinode.protocol.span_batch import SpanBatch, decode_span_batch
from trinode.protocol.transaction import decode_transaction

MAX_RLP_BYTES = 100_000_000
NAMES = [
    "op-goerli-batcher-calldata-6singular",
    "op-mainnet-batcher-tx-27blocks-zlib",
    "op-sepolia-batcher-calldata-span-84blocks",
    "synthetic-singular-brotli-1",
    "synthetic-singular-brotli-2",
    "synthetic-singular-brotli-3",
    "synthetic-singular-zlib-4",
]


def decoded(data: bytes, chain_id: int) -> Iterator[SingularBatch | SpanBatch]:
    """The batches of a signed batcher transaction, of its data, or of a bare channel."""
    if data[0] == 2:
        data = decode_transaction(data).data
    channel = b"".join(frame.data for frame in decode_frames(data)) if data[0] == 0 else data
    for batch in read_batches(channel, brotli_allowed=True, max_rlp_bytes=MAX_RLP_BYTES):
        if batch[0] == SPAN_BATCH_TYPE:
            yield decode_span_batch(batch[1:], block_time=2, genesis_timestamp=0, chain_id=chain_id)
        else:
            yield decode_singular_batch(batch[1:])


def hashes(batch: SingularBatch | SpanBatch) -> list[str]:
    transactions = batch.transactions if isinstance(batch, SingularBatch) else [raw for element in batch for raw in element.transactions]
    return ["0x" + keccak256(raw).hex() for raw in transactions]


def check(batch: SingularBatch | SpanBatch, expected: dict[str, Any]) -> None:
    assert hashes(batch) == expected["tx_hashes"]
    if isinstance(batch, SingularBatch):
        assert batch.parent_hash.hex() == expected["parent"].removeprefix("0x")
        assert batch.epoch_number == expected["epoch"]
        assert batch.epoch_hash.hex() == expected["epoch_hash"].removeprefix("0x")
        assert batch.timestamp == expected["ts"]
    else:
        assert batch.parent_check.hex() == expected["parent_check"].removeprefix("0x")
        assert batch.l1_origin_check.hex() == expected["l1_origin_check"].removeprefix("0x")
        assert len(batch) == expected["block_count"]
        assert batch[0].timestamp == expected["rel_ts"]
        assert batch[-1].epoch_number == expected["l1_origin"]
        assert [len(element.transactions) for element in batch] == expected["tx_counts"]


@pytest.mark.parametrize("name", NAMES)
def test_batcher_data_decodes_to_the_known_batches(name: str) -> None:
    data = shared(f"data/batches/{name}.bin").read_bytes()
    expected = json.loads(shared(f"data/batches/{name}.expected.json").read_text())
    batches = list(decoded(data, expected.get("l2_chain_id", 10)))
    assert len(batches) == len(expected["batches"])
    for batch, known in zip(batches, expected["batches"], strict=True):
        check(batch, known)


def test_a_span_in_a_real_blob() -> None:
    blob = gzip.decompress(shared("data/blobs/op-sepolia-blob.bin.gz").read_bytes())
    expected = json.loads(shared("data/blobs/op-sepolia-blob.expected.json").read_text())
    data = decode_blob(blob)
    assert data == shared("data/blobs/op-sepolia-blob.decoded.bin").read_bytes()
    assert encode_blob(data) == blob
    for batch, known in zip(decoded(data, 11_155_420), expected["batches"], strict=True):
        check(batch, known)


def test_small_blobs() -> None:
    path: Path = shared("data/blobs/small_blob_codec.json")
    cases = json.loads(path.read_text())["cases"]
    assert cases
    for case in cases:
        blob = bytes.fromhex(case["blob_prefix"].removeprefix("0x")).ljust(131_072, b"\0")
        if "decoded" in case:
            assert decode_blob(blob).hex() == case["decoded"].removeprefix("0x")
        else:
            with pytest.raises(BlobDecodingError):
                decode_blob(blob)
