"""Proofs of accounts and their slots in JSON (execution-apis: eth/state; EIP-1186)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trinode.execution.trie.state_tries import AccountProof
from trinode.protocol.types import Address
from trinode.rollup.json_fields import to_hex

_ZERO = "0x" + 64 * "0"
_WHOLE_WORD = 66


def slot_name(asked: str, slot: int) -> str:
    """How a slot is called in the answer: as it was asked for, whole words with their zeros, others as numbers."""
    return f"0x{slot:064x}" if len(asked) == _WHOLE_WORD else hex(slot)


def proof_object(address: Address, proof: AccountProof, names: Sequence[str]) -> dict[str, Any]:
    """What eth_getProof answers; `names`: of the slots. Of an account that is not there, geth gives the hashes as zero."""
    account = proof.account
    return {
        "address": to_hex(address),
        "accountProof": [to_hex(node) for node in proof.nodes],
        "balance": hex(0 if account is None else account.balance),
        "nonce": hex(0 if account is None else account.nonce),
        "codeHash": _ZERO if account is None else to_hex(account.code_hash),
        "storageHash": _ZERO if account is None else to_hex(proof.storage_root),
        "storageProof": [
            {"key": name, "value": hex(each.value), "proof": [to_hex(node) for node in each.nodes]}
            for name, each in zip(names, proof.storage, strict=True)
        ],
    }
