"""The files that other programs follow our devnet with: what its rollup config does not say follows from it."""

from __future__ import annotations

from typing import Any

from harness.peers.geth_config import geth_rollup_config
from trinode.devnet.genesis import l2_genesis
from trinode.execution.genesis import GenesisBlock
from trinode.execution.state import EMPTY_CODE_HASH
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex


def devnet_genesis(config: RollupConfig) -> dict[str, Any]:
    """The genesis.json of a devnet, for op-geth."""
    genesis = l2_genesis(config.genesis.l1, config.genesis.l2_time, config.block_time).block
    if genesis.hash != config.genesis.l2.hash:
        raise ValueError(f"this version's devnet begins with 0x{genesis.hash.hex()}, not with 0x{config.genesis.l2.hash.hex()}")
    header = genesis.header
    assert header.base_fee_per_gas is not None
    return {
        "config": geth_rollup_config(config),
        "nonce": to_hex(header.nonce),
        "timestamp": hex(header.timestamp),
        "extraData": to_hex(header.extra_data),
        "gasLimit": hex(header.gas_limit),
        "difficulty": hex(header.difficulty),
        "mixHash": to_hex(header.prev_randao),
        "coinbase": to_hex(header.beneficiary),
        "number": hex(header.number),
        "gasUsed": hex(header.gas_used),
        "parentHash": to_hex(header.parent_hash),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "alloc": _alloc(genesis),
    }


def _alloc(genesis: GenesisBlock) -> dict[str, Any]:
    changes, result = genesis.changes, {}
    for address, account in changes.accounts.items():
        assert account is not None
        one: dict[str, Any] = {"nonce": hex(account.nonce), "balance": hex(account.balance)}
        if account.code_hash != EMPTY_CODE_HASH:
            one["code"] = to_hex(changes.codes[account.code_hash])
        if slots := changes.storage.get(address):
            one["storage"] = {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in slots.items()}
        result[to_hex(address)] = one
    return result
