"""JSON-RPC objects into consensus bytes: everything in the recordings comes back, everything malformed is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from harness.recording import RecordedL1Block, RecordedL2Block, open_recording
from tests.rpc_objects import Json, block_object, receipt_object, transaction_object
from trinode.jsonrpc.replies import JsonObject, RpcJsonError, raw_receipt_of, raw_transaction_of
from trinode.l1.rpc_block import read_block, read_receipts
from trinode.protocol.bloom import logs_bloom
from trinode.protocol.header import Header
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Receipt, encode_receipt

Recorded: TypeAlias = RecordedL1Block | RecordedL2Block
FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "devnet"


@pytest.fixture(scope="module")
def recorded() -> list[Recorded]:
    with open_recording(FIXTURES / "forks-regolith-to-karst.jsonl.gz", check=False) as reader:
        return [item for item in reader if isinstance(item, RecordedL1Block | RecordedL2Block)]


def header_and_hash(item: Recorded) -> tuple[Header, bytes]:
    if isinstance(item, RecordedL1Block):
        return item.block.header, item.block.hash
    return item.header, item.block.ref.hash


def a_block(recorded: list[Recorded], transaction_type: int) -> Json:
    """A block object with one transaction of that type; its transactions root does not fit."""
    for item in recorded:
        for raw in item.block.transactions:
            if raw[0] == transaction_type or (transaction_type == 0 and raw[0] >= 0xC0):
                header, block_hash = header_and_hash(item)
                return block_object(block_hash, header, (raw,))
    raise AssertionError(f"no transaction of type {transaction_type}")


def test_every_block_of_a_recording_comes_back(recorded: list[Recorded]) -> None:
    types = set()
    for item in recorded:
        transactions = item.block.transactions
        header, block_hash = header_and_hash(item)
        found = read_block(block_object(block_hash, header, transactions), header.number)
        assert found == (block_hash, header, transactions)
        types |= {raw[0] if raw[0] < 0x80 else 0 for raw in transactions}
        if isinstance(item, RecordedL1Block):
            receipts = item.block.receipts or ()
            objects = [receipt_object(raw, keccak256(tx), block_hash) for raw, tx in zip(receipts, transactions, strict=True)]
            assert read_receipts(objects, found) == receipts
    assert types == {0, 1, 2, 3, 4, 0x7E}


RECEIPT = Receipt(type=0, succeeded=True, cumulative_gas_used=21000, logs_bloom=logs_bloom([]), logs=())


@pytest.mark.parametrize(
    "receipt",
    [
        RECEIPT,
        Receipt(type=2, succeeded=False, cumulative_gas_used=0, logs_bloom=bytes(256), logs=()),
        Receipt(type=0, succeeded=False, cumulative_gas_used=5, logs_bloom=bytes(256), logs=(), post_state=keccak256(b"")),
        Receipt(0x7E, True, 7, bytes(256), (), deposit_nonce=3, deposit_receipt_version=1),
    ],
)
def test_receipts(receipt: Receipt) -> None:
    raw = encode_receipt(receipt)
    assert raw_receipt_of(JsonObject(receipt_object(raw, bytes(32), bytes(32)), "")) == raw


def test_a_regolith_deposit_receipt_shows_its_nonce_but_does_not_hash_it() -> None:
    shown = receipt_object(encode_receipt(Receipt(0x7E, True, 7, bytes(256), ())), bytes(32), bytes(32)) | {"depositNonce": "0x5"}
    assert raw_receipt_of(JsonObject(shown, "")) == encode_receipt(Receipt(0x7E, True, 7, bytes(256), ()))


def test_old_clients_have_v_instead_of_y_parity_and_no_type(recorded: list[Recorded]) -> None:
    for kind in (0, 1, 2):
        tx = a_block(recorded, kind)["transactions"][0]
        expected = raw_transaction_of(JsonObject(tx, ""))
        old = {key: value for key, value in tx.items() if key != "yParity" and (kind or key != "type")}
        assert raw_transaction_of(JsonObject(old, "")) == expected


def put(field: str, value: Any) -> Callable[[Json], None]:
    def change(block: Json) -> None:
        *path, last = re.findall(r"\w+", field)
        inner: Any = block
        for part in path:
            inner = inner[int(part) if part.isdigit() else part]
        inner[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.parametrize(
    ("kind", "field", "value", "message"),
    [
        (2, "parentHash", None, "missing"),
        (2, "parentHash", "0x12", "1 bytes, not 32"),
        (2, "parentHash", 12, "hex was expected, not 12"),
        (2, "logsBloom", "0x" + "00" * 255, "255 bytes, not 256"),
        (2, "number", "12", "a hex number was expected"),
        (2, "number", "0x", "a hex number was expected"),
        (2, "number", "0x1_0", "a hex number was expected"),
        (2, "number", "0xzz", "bad hex number"),
        (2, "number", "0x" + "1" * 65, "a hex number was expected"),
        (2, "extraData", "0xabc", "bad hex"),
        (2, "extraData", "0xab c", "bad hex"),
        (2, "baseFeePerGas", 7, "a hex number was expected"),
        (2, "withdrawalsRoot", "0x00", "1 bytes, not 32"),
        (2, "transactions", None, "missing"),
        (2, "transactions", {}, "a list was expected, not an object"),
        (2, "transactions[0]", "0x00", "an object was expected"),
        (2, "transactions[0].gas", None, "missing"),
        (2, "transactions[0].type", "0x6", "type 6 is not known"),
        (2, "transactions[0].to", "0x00", "1 bytes, not 20"),
        (2, "transactions[0].accessList", 1, "a list was expected"),
        (2, "transactions[0].accessList", [{"address": "0x" + "11" * 20}], ""),
        (1, "transactions[0].chainId", [], "a hex number was expected, not a list"),
        (3, "transactions[0].to", None, "missing"),
        (3, "transactions[0].blobVersionedHashes", ["0x01"], ""),
        (4, "transactions[0].authorizationList", [{}], ""),
        (0x7E, "transactions[0].sourceHash", None, "missing"),
        (0, "transactions[0].v", None, "missing"),
    ],
)
def test_malformed_fields_are_named(
    recorded: list[Recorded], kind: int, field: str, value: Any, message: str
) -> None:
    block = a_block(recorded, kind)
    number = int(block["number"], 16)
    put(field, value)(block)
    with pytest.raises(RpcJsonError) as caught:
        read_block(block, number)
    assert caught.value.field.startswith(field)
    assert message in caught.value.message


def test_what_does_not_hash_right_is_named(recorded: list[Recorded]) -> None:
    item = next(item for item in recorded if isinstance(item, RecordedL1Block) and len(item.block.transactions) > 1)
    block, number = item.block, item.block.header.number

    def refused(change: Callable[[Json], None]) -> RpcJsonError:
        whole = block_object(block.hash, block.header, block.transactions)
        change(whole)
        with pytest.raises(RpcJsonError) as caught:
            read_block(whole, number)
        return caught.value

    assert refused(put("gasUsed", "0x1")).field == "hash"
    assert refused(put("hash", "0x" + "00" * 32)).field == "hash"
    assert refused(put("transactions[1].value", "0x123456")).field == "transactions[1].hash"
    assert refused(lambda whole: whole["transactions"].pop()).field == "transactions"
    assert refused(lambda whole: whole["transactions"].reverse()).field == "transactions"
    with pytest.raises(RpcJsonError, match="no block 5"):
        read_block(None, 5)
    with pytest.raises(RpcJsonError, match=f"{number}, not 5"):
        read_block(block_object(block.hash, block.header, block.transactions), 5)
    found = read_block(block_object(block.hash, block.header, block.transactions), number)
    wrong_replies: list[Any] = [None, {}, [], [transaction_object(block.transactions[0])]]
    for wrong in wrong_replies:
        with pytest.raises(RpcJsonError):
            read_receipts(wrong, found)
