"""Real and recorded blocks: headers hash, transactions and receipts give their roots, signatures give senders."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.shared import SHARED, shared
from trinode.protocol.bloom import logs_bloom
from trinode.protocol.header import decode_header, encode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import decode_receipt, encode_receipt
from trinode.protocol.transaction import decode_transaction, encode_transaction, recover_sender
from trinode.protocol.trie import ordered_trie_root

RECORDINGS = sorted(path.name for path in SHARED.glob("recordings/*.jsonl.gz")) or [
    "op-mainnet-regolith-109279674.jsonl.gz"
]
RECOVER_EVERY = 10  # signatures are slow, and all of one kind


def blocks(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(shared(f"recordings/{name}")) as lines:
        for line in lines:
            block = json.loads(line)
            if block["type"] in ("l1_block", "l2_block"):
                yield block


def unhex(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(value.removeprefix("0x")) for value in values]


@pytest.mark.parametrize("name", RECORDINGS)
def test_recording(name: str) -> None:
    kinds: Counter[str] = Counter()
    for block in blocks(name):
        (raw_header,) = unhex([block["header_rlp"]])
        header = decode_header(raw_header)
        assert encode_header(header) == raw_header
        if block.get("hash"):
            assert keccak256(raw_header).hex() == block["hash"].removeprefix("0x")
        transactions = unhex(block["transactions"])
        assert ordered_trie_root(transactions) == header.transactions_root
        for index, raw in enumerate(transactions):
            tx = decode_transaction(raw)
            assert encode_transaction(tx) == raw
            if index % RECOVER_EVERY == 0:
                assert len(recover_sender(tx)) == 20
            kinds[type(tx).__name__] += 1
        if block.get("receipts") is not None:
            check_receipts(unhex(block["receipts"]), header.receipts_root, header.logs_bloom)
    assert kinds["DynamicFeeTransaction"]
    assert kinds["DepositTransaction"]


def check_receipts(receipts: list[bytes], root: bytes, bloom: bytes) -> None:
    assert ordered_trie_root(receipts) == root
    together = 0
    for raw in receipts:
        receipt = decode_receipt(raw)
        assert encode_receipt(receipt) == raw
        assert logs_bloom(receipt.logs) == receipt.logs_bloom
        together |= int.from_bytes(receipt.logs_bloom, "big")
    assert together.to_bytes(256, "big") == bloom


@pytest.mark.parametrize("name", sorted(path.name for path in SHARED.glob("data/exec/op-*-*.json.gz")) or ["absent"])
def test_blocks_to_execute(name: str) -> None:
    block = json.loads(gzip.decompress(shared(f"data/exec/{name}").read_bytes()))
    for raw in unhex([block["parent_header_rlp"], block["expected_header_rlp"]]):
        assert encode_header(decode_header(raw)) == raw
    (expected,) = unhex([block["expected_header_rlp"]])
    assert keccak256(expected).hex() == block["expected_block_hash"].removeprefix("0x")
    assert ordered_trie_root(unhex(block["attributes"]["transactions"])) == decode_header(expected).transactions_root
