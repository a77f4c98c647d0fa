"""What differs between a block made here and one made by op-geth: header fields, the first receipt, or accounts and slots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from harness.engine_differential.op_geth import OpGeth
from harness.engine_differential.op_geth_chain import BuiltBlock
from trinode.execution.block import ExecutedBlock
from trinode.protocol.header import Header


def describe_difference(here: ExecutedBlock, there: BuiltBlock, geth: OpGeth) -> str:
    """Header fields that differ, and the first transaction whose receipt does, or else what differs in the state."""
    lines = list(_header_differences(here.header, there.header))
    receipts: list[dict[str, Any]] = geth.call("eth_getBlockReceipts", hex(here.header.number))
    for index, theirs in enumerate(receipts):
        mine, other = _own_receipt(here, index), _their_receipt(theirs)
        differing = [f"{name} {mine[name]} here, {other[name]} there" for name in mine if mine[name] != other[name]]
        if differing:
            failure = here.results[index].failure
            return "\n".join([*lines, f"transaction {index}: {'; '.join(differing)}", f"failure here: {failure}", str(here.prepared[index])])
    return "\n".join([*lines, *_state_differences(here, geth)])


def _own_receipt(here: ExecutedBlock, index: int) -> dict[str, object]:
    receipt, result = here.receipts[index], here.results[index]
    return {
        "status": int(receipt.succeeded),
        "gas": result.gas_used,
        "logs": [(log.address, log.topics, log.data) for log in receipt.logs],
        "nonce": receipt.deposit_nonce,
        "l1 fee": result.l1_fee,
    }


def _their_receipt(receipt: dict[str, Any]) -> dict[str, object]:
    return {
        "status": int(receipt["status"], 16),
        "gas": int(receipt["gasUsed"], 16),
        "logs": [(_data(log["address"]), tuple(map(_data, log["topics"])), _data(log["data"])) for log in receipt["logs"]],
        "nonce": int(receipt["depositNonce"], 16) if "depositNonce" in receipt else None,
        "l1 fee": int(receipt.get("l1Fee") or "0x0", 16),
    }


def _header_differences(ours: Header, theirs: Header) -> Iterator[str]:
    for each in fields(Header):
        here, there = getattr(ours, each.name), getattr(theirs, each.name)
        if here != there and each.name != "logs_bloom":
            yield f"{each.name}: {_shown(here)} here, {_shown(there)} there"


def _state_differences(here: ExecutedBlock, geth: OpGeth) -> Iterator[str]:
    """Of the accounts that changed here; receipts are equal."""
    at = hex(here.header.number)
    for address, account in sorted(here.changes.accounts.items()):
        slots = sorted(here.changes.storage.get(address, {}))
        proof = geth.call("eth_getProof", "0x" + address.hex(), [hex(slot) for slot in slots], at)
        nonce, balance = (account.nonce, account.balance) if account else (0, 0)
        theirs = int(proof["nonce"], 16), int(proof["balance"], 16)
        if (nonce, balance) != theirs:
            yield f"account 0x{address.hex()}: nonce and balance {(nonce, balance)} here, {theirs} there"
        if account and account.code_hash.hex() != proof["codeHash"][2:]:
            yield f"account 0x{address.hex()}: code hash 0x{account.code_hash.hex()} here, {proof['codeHash']} there"
        for slot, item in zip(slots, proof["storageProof"], strict=True):
            value = here.changes.storage[address][slot]
            if value != int(item["value"], 16):
                yield f"account 0x{address.hex()} slot {slot:#x}: {value:#x} here, {item['value']} there"
        root = here.tries.storage_root(address)
        if account and root.hex() != proof["storageHash"][2:]:
            yield f"account 0x{address.hex()}: storage root 0x{root.hex()} here, {proof['storageHash']} there"


def _data(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def _shown(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
