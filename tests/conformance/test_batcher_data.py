"""Batcher data of real chains, of the recordings, and what op-node's own readers make of damaged channels and spans."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.shared import SHARED, shared
from trinode.protocol.batch import (
    SINGULAR_BATCH_TYPE,
    SPAN_BATCH_TYPE,
    BatchDecodingError,
    SingularBatch,
    decode_singular_batch,
    encode_singular_batch,
)
from trinode.protocol.blob import BlobDecodingError, decode_blob, encode_blob
from trinode.protocol.channel import ChannelDecodingError, read_batches
from trinode.protocol.errors import DecodingError
from trinode.protocol.frame import FrameDecodingError, decode_frames, encode_frames
from trinode.protocol.keccak import keccak256
from trinode.protocol.span_batch import SpanBatch, decode_raw_span_batch, decode_span_batch, encode_raw_span_batch
from trinode.protocol.span_batch_transactions import SpanTransactionError, assemble_transactions
from trinode.protocol.span_batch_transposition import transpose_transactions
from trinode.protocol.transaction import decode_transaction

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "channels"
LIMIT = 100_000_000


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path) as file:
        for line in file:
            yield json.loads(line)


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


# ---- what op-node reads ----


def test_damaged_channels_have_the_batches_that_op_node_reads() -> None:
    count = 0
    for case in lines(FIXTURES / "damaged.jsonl.gz"):
        found = 0
        try:
            for batch in read_batches(unhex(case["channel"]), brotli_allowed=True, max_rlp_bytes=case["limit"]):
                if batch[:1] != bytes([SINGULAR_BATCH_TYPE]):
                    raise BatchDecodingError("damage that got through")
                decode_singular_batch(batch[1:])
                found += 1
        except (ChannelDecodingError, BatchDecodingError):
            pass
        assert found == case["batches"], (count, case["what"])
        count += 1
    assert count > 200


def test_spans_are_what_op_node_makes_of_them() -> None:
    verdicts: dict[str, int] = defaultdict(int)
    for case in lines(FIXTURES / "spans.jsonl.gz"):
        batch = unhex(case["batch"])
        found: dict[str, Any] = {"batch": case["batch"]}
        try:
            if batch[:1] != bytes([SPAN_BATCH_TYPE]):
                raise BatchDecodingError("no span")
            span = decode_span_batch(batch[1:], block_time=2, genesis_timestamp=1000, chain_id=902)
        except SpanTransactionError:
            found["verdict"] = "transaction"
        except BatchDecodingError:
            found["verdict"] = "batch"
        else:
            checks = {"parent_check": span.parent_check.hex(), "l1_origin_check": span.l1_origin_check.hex()}
            found |= {"verdict": "span", **checks, "blocks": len(span), "hash": digest(span)}
        assert found == case
        verdicts[case["verdict"]] += 1
    assert min(verdicts[verdict] for verdict in ("span", "transaction", "batch")) > 20


def digest(span: SpanBatch) -> str:
    text = ""
    for element in span:
        joined = b"".join(b"%d,%b" % (len(raw), raw) for raw in element.transactions)
        text += f"{element.epoch_number}:{element.timestamp}:{len(element.transactions)}-{keccak256(joined).hex()};"
    return keccak256(text.encode()).hex()


# ---- real batcher data ----


def channel_of(data: bytes) -> bytes:
    """The channel in a signed batcher transaction, in its data, or bare."""
    if data[0] == 2:
        data = decode_transaction(data).data
    if data[0] != 0:
        return data
    frames = decode_frames(data)
    assert encode_frames(frames) == data
    return b"".join(frame.data for frame in frames)


def decoded(
    batch: bytes, chain_id: int, *, block_time: int = 2, genesis_timestamp: int = 0
) -> SingularBatch | SpanBatch:
    """A batch; what encodes it again gives the same bytes, but for those that are ignored behind it."""
    if batch[:1] == bytes([SINGULAR_BATCH_TYPE]):
        singular = decode_singular_batch(batch[1:])
        assert batch.startswith(encode_singular_batch(singular))
        return singular
    if batch[:1] != bytes([SPAN_BATCH_TYPE]):
        raise BatchDecodingError("a batch of unknown type")
    raw = decode_raw_span_batch(batch[1:])
    assert batch.startswith(encode_raw_span_batch(raw))
    transactions = assemble_transactions(raw.columns, chain_id)
    assert transpose_transactions(transactions, chain_id) == raw.columns
    return decode_span_batch(batch[1:], block_time=block_time, genesis_timestamp=genesis_timestamp, chain_id=chain_id)


def check(batch: SingularBatch | SpanBatch, expected: dict[str, Any]) -> None:
    if isinstance(batch, SingularBatch):
        transactions = batch.transactions
        assert batch.parent_hash == unhex(expected["parent"])
        assert batch.epoch_number == expected["epoch"]
        assert batch.epoch_hash == unhex(expected["epoch_hash"])
        assert batch.timestamp == expected["ts"]
    else:
        transactions = tuple(raw for element in batch for raw in element.transactions)
        assert batch.parent_check == unhex(expected["parent_check"])
        assert batch.l1_origin_check == unhex(expected["l1_origin_check"])
        assert len(batch) == expected["block_count"]
        assert batch[0].timestamp == expected["rel_ts"]
        assert batch[-1].epoch_number == expected["l1_origin"]
        assert [len(element.transactions) for element in batch] == expected["tx_counts"]
        changes = [int(later.epoch_number != earlier.epoch_number) for earlier, later in pairwise(batch)]
        assert changes == expected["origin_bits"][1:]
    assert ["0x" + keccak256(raw).hex() for raw in transactions] == expected["tx_hashes"]


@pytest.mark.parametrize(
    "name",
    [
        "op-goerli-batcher-calldata-6singular",
        "op-mainnet-batcher-tx-27blocks-zlib",
        "op-sepolia-batcher-calldata-span-84blocks",
        "synthetic-singular-brotli-1",
        "synthetic-singular-brotli-2",
        "synthetic-singular-brotli-3",
        "synthetic-singular-zlib-4",
    ],
)
def test_channels_of_real_chains(name: str) -> None:
    expected = json.loads(shared(f"data/batches/{name}.expected.json").read_text())
    channel = channel_of(shared(f"data/batches/{name}.bin").read_bytes())
    batches = list(read_batches(channel, brotli_allowed=True, max_rlp_bytes=LIMIT))
    assert len(batches) == len(expected["batches"])
    for batch, known in zip(batches, expected["batches"], strict=True):
        check(decoded(batch, expected["l2_chain_id"]), known)


def test_a_random_span_of_op_nodes_tests() -> None:
    expected = json.loads(shared("data/batches/synthetic-rawspan-from-opnode.expected.json").read_text())
    payload = shared("data/batches/synthetic-rawspan-from-opnode.bin").read_bytes()
    raw = decode_raw_span_batch(payload)
    assert encode_raw_span_batch(raw)[1:] == payload
    assert (raw.relative_timestamp, raw.l1_origin_number) == (expected["rel_ts"], expected["l1_origin"])
    assert list(raw.transaction_counts) == expected["tx_counts"]
    assert [raw.origin_bits >> index & 1 for index in range(raw.block_count)] == expected["origin_bits"]


def test_a_span_in_a_real_blob() -> None:
    blob = gzip.decompress(shared("data/blobs/op-sepolia-blob.bin.gz").read_bytes())
    expected = json.loads(shared("data/blobs/op-sepolia-blob.expected.json").read_text())
    data = decode_blob(blob)
    assert data == shared("data/blobs/op-sepolia-blob.decoded.bin").read_bytes()
    assert encode_blob(data) == blob
    batches = list(read_batches(channel_of(data), brotli_allowed=True, max_rlp_bytes=LIMIT))
    for batch, known in zip(batches, expected["batches"], strict=True):
        check(decoded(batch, 11_155_420), known)


def test_small_blobs() -> None:
    cases = json.loads(shared("data/blobs/small_blob_codec.json").read_text())["cases"]
    assert cases
    for case in cases:
        blob = unhex(case["blob_prefix"]).ljust(131_072, b"\0")
        if "decoded" in case:
            assert decode_blob(blob) == unhex(case["decoded"])
        else:
            with pytest.raises(BlobDecodingError):
                decode_blob(blob)


def test_blobs_of_another_use_do_not_decode_or_come_back() -> None:
    path = shared("data/blobs/goerli_beacon_blob_sidecars_7422094.json.gz")
    sidecars = json.loads(gzip.decompress(path.read_bytes()))["data"]
    assert sidecars
    for sidecar in sidecars:
        blob = unhex(sidecar["blob"])
        try:
            data = decode_blob(blob)
        except BlobDecodingError:
            continue
        assert encode_blob(data) == blob


# ---- recordings ----

RECORDINGS = sorted(SHARED.glob("recordings/*.jsonl.gz"))


def batcher_data(block: dict[str, Any], inbox: bytes) -> Iterator[bytes]:
    """The data of an L1 block's transactions to the inbox, and of all its recorded blobs."""
    for raw in map(unhex, block["transactions"]):
        transaction = decode_transaction(raw)
        if transaction.to == inbox:
            yield transaction.data
    for blob in block["blobs"].values():
        try:
            yield decode_blob(unhex(blob))
        except BlobDecodingError:
            continue


def channels(blocks: list[dict[str, Any]], inbox: bytes) -> list[bytes]:
    """What the frames of each channel id come to, in order of their numbers; no rule of derivation is kept."""
    frames: dict[bytes, dict[int, bytes]] = defaultdict(dict)
    for block in blocks:
        for data in batcher_data(block, inbox):
            try:
                for frame in decode_frames(data):
                    frames[frame.channel_id].setdefault(frame.number, frame.data)
            except FrameDecodingError:
                continue
    return [b"".join(data for _, data in sorted(channel.items())) for channel in frames.values()]


@pytest.mark.parametrize("path", RECORDINGS or [SHARED / "recordings"], ids=lambda path: path.name.split(".")[0])
def test_the_batches_of_a_recording_hold_its_blocks(path: Path) -> None:
    shared(str(path.relative_to(SHARED)))
    head, *rest = lines(path)
    config = head["rollup_config"]
    blocks = [line for line in rest if line["type"] == "l1_block"]
    batches: dict[int, set[tuple[bytes, ...]]] = defaultdict(set)
    count = 0
    for channel in channels(blocks, unhex(config["batch_inbox_address"])):
        try:
            for batch in read_batches(channel, brotli_allowed=True, max_rlp_bytes=LIMIT):
                found = decoded(
                    batch,
                    config["l2_chain_id"],
                    block_time=config["block_time"],
                    genesis_timestamp=config["genesis"]["l2_time"],
                )
                for block in [found] if isinstance(found, SingularBatch) else found:
                    batches[block.timestamp].add(block.transactions)
                count += 1
        except DecodingError:
            continue  # garbage on purpose
    assert count > 15
    for line in rest:
        if line["type"] == "l2_block" and not line.get("deposits_only"):
            transactions = tuple(raw for raw in map(unhex, line["transactions"]) if raw[0] != 0x7E)
            timestamp = line["attributes"]["timestamp"]
            assert not transactions or transactions in batches[timestamp], line["number"]
