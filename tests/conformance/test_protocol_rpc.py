"""Blocks from JSON-RPC replies: what hashes as it says, and lies that must show (op-node's own good and bad cases)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.shared import SHARED, shared
from trinode.protocol.bloom import logs_bloom
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.header import Header, header_hash
from trinode.protocol.payload import Withdrawal, encode_withdrawal
from trinode.protocol.receipt import Log, Receipt, encode_receipt
from trinode.protocol.transaction import (
    AccessListEntry,
    AccessListTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    decode_transaction,
    encode_transaction,
    recover_sender,
    transaction_hash,
)
from trinode.protocol.trie import ordered_trie_root

L2_BLOCKS = [
    ("hildr_bedrock_raw_block.json", "test_block_data"),
    ("hildr_op_block_json.json", "result"),
    ("hildr_temp_block_json.json", "result"),
    ("rosetta_goerli_bedrock_block_5003318.json", None),
    ("rosetta_goerli_bedrock_block_5003322.json", None),
]
L1_CASES = sorted(
    str(path.relative_to(SHARED)).removesuffix("_data.json") for path in SHARED.glob("data/rpc/l1_goerli/*/*_data.json")
)


def unhex(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))


def number(value: str | None) -> int:
    return int(value, 16) if value is not None else 0


def optional_number(value: str | None) -> int | None:
    return int(value, 16) if value is not None else None


def optional_bytes(value: str | None) -> bytes | None:
    return unhex(value) if value is not None else None


def header_of(block: dict[str, Any]) -> Header:
    return Header(
        parent_hash=unhex(block["parentHash"]),
        ommers_hash=unhex(block["sha3Uncles"]),
        beneficiary=unhex(block["miner"]),
        state_root=unhex(block["stateRoot"]),
        transactions_root=unhex(block["transactionsRoot"]),
        receipts_root=unhex(block["receiptsRoot"]),
        logs_bloom=unhex(block["logsBloom"]),
        difficulty=number(block["difficulty"]),
        number=number(block["number"]),
        gas_limit=number(block["gasLimit"]),
        gas_used=number(block["gasUsed"]),
        timestamp=number(block["timestamp"]),
        extra_data=unhex(block["extraData"]),
        prev_randao=unhex(block["mixHash"]),
        nonce=unhex(block["nonce"]),
        base_fee_per_gas=optional_number(block.get("baseFeePerGas")),
        withdrawals_root=optional_bytes(block.get("withdrawalsRoot")),
        blob_gas_used=optional_number(block.get("blobGasUsed")),
        excess_blob_gas=optional_number(block.get("excessBlobGas")),
        parent_beacon_block_root=optional_bytes(block.get("parentBeaconBlockRoot")),
    )


def raw_transaction(tx: dict[str, Any]) -> bytes:
    to = optional_bytes(tx["to"])
    call: dict[str, Any] = {
        "gas_limit": number(tx["gas"]),
        "to": to,
        "value": number(tx["value"]),
        "data": unhex(tx["input"]),
    }
    if tx["type"] == "0x7e":
        is_system = tx.get("isSystemTx") or False
        source: dict[str, Any] = {
            "source_hash": unhex(tx["sourceHash"]),
            "sender": unhex(tx["from"]),
            "mint": number(tx.get("mint")),
        }
        return encode_deposit(DepositTransaction(**source, **call, is_system_transaction=is_system))
    call |= {"nonce": number(tx["nonce"]), "r": number(tx["r"]), "s": number(tx["s"])}
    if tx["type"] == "0x0":
        return encode_transaction(LegacyTransaction(**call, gas_price=number(tx["gasPrice"]), v=number(tx["v"])))
    call |= {
        "chain_id": number(tx["chainId"]),
        "y_parity": number(tx["v"]),
        "access_list": tuple(
            AccessListEntry(unhex(entry["address"]), tuple(map(unhex, entry["storageKeys"])))
            for entry in tx["accessList"]
        ),
    }
    if tx["type"] == "0x1":
        return encode_transaction(AccessListTransaction(**call, gas_price=number(tx["gasPrice"])))
    fees = number(tx["maxPriorityFeePerGas"]), number(tx["maxFeePerGas"])
    return encode_transaction(DynamicFeeTransaction(**call, max_priority_fee_per_gas=fees[0], max_fee_per_gas=fees[1]))


def problem_of(block: dict[str, Any]) -> str | None:
    """What of an endpoint's block is not true."""
    header = header_of(block)
    if header_hash(header) != unhex(block["hash"]):
        return "failed to verify block hash"
    transactions = block["transactions"]
    if transactions and not isinstance(transactions[0], str):
        if None in transactions:
            return f"block tx {transactions.index(None)} is nil"
        if ordered_trie_root(list(map(raw_transaction, transactions))) != header.transactions_root:
            return "failed to verify transactions list"
    if (withdrawals := block.get("withdrawals")) is not None:
        if None in withdrawals:
            return f"block withdrawal {withdrawals.index(None)} is null"
        if ordered_trie_root(list(map(raw_withdrawal, withdrawals))) != header.withdrawals_root:
            return "failed to verify withdrawals list"
    return None


def raw_withdrawal(withdrawal: dict[str, Any]) -> bytes:
    index, validator, amount = (number(withdrawal[name]) for name in ("index", "validatorIndex", "amount"))
    return encode_withdrawal(Withdrawal(index, validator, unhex(withdrawal["address"]), amount))


@pytest.mark.parametrize(("file", "member"), L2_BLOCKS)
def test_l2_blocks(file: str, member: str | None) -> None:
    reply = json.loads(shared(f"data/rpc/{file}").read_text())
    block = reply[member] if member else reply
    assert problem_of(block) is None
    for tx in block["transactions"]:
        assert transaction_hash(raw_transaction(tx)) == unhex(tx["hash"])


@pytest.mark.parametrize("case", L1_CASES or ["data/rpc/l1_goerli"])
def test_l1_blocks(case: str) -> None:
    block = json.loads(shared(f"{case}_data.json").read_text())
    metadata = json.loads(shared(f"{case}_metadata.json").read_text())
    problem = problem_of(block)
    assert (problem is not None) == metadata.get("fail", False)
    if "reason" in metadata:
        assert problem == metadata["reason"]


def test_senders_of_an_l1_block() -> None:
    block = json.loads(shared("data/rpc/l1_goerli/blocks/post-shanghai-success_data.json").read_text())
    for tx in block["transactions"]:
        assert recover_sender(decode_transaction(raw_transaction(tx))) == unhex(tx["from"])


def test_receipts_before_regolith() -> None:
    block = json.loads(shared("data/rpc/rosetta_goerli_bedrock_block_5003318.json").read_text())
    receipts = []
    for index in (1, 2):
        reply = json.loads(shared(f"data/rpc/rosetta_goerli_bedrock_tx_receipt_5003318_{index}.json").read_text())
        logs = tuple(
            Log(unhex(log["address"]), tuple(map(unhex, log["topics"])), unhex(log["data"])) for log in reply["logs"]
        )
        bloom = unhex(reply["logsBloom"])
        assert logs_bloom(logs) == bloom
        gas = number(reply["cumulativeGasUsed"])
        receipts.append(encode_receipt(Receipt(number(reply["type"]), reply["status"] == "0x1", gas, bloom, logs)))
    assert ordered_trie_root(receipts) == unhex(block["receiptsRoot"])
