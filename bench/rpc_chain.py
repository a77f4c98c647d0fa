"""The chain whose RPC is measured, the same for both sides: 1,000 blocks with a few transfers of a token, and large ones."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from bench.workloads import SHARED, TOKEN, Senders, holder_address, sender_address, token_storage, token_transfer
from harness.engine_differential.chain import BLOCK_TIME, GENESIS_TIME, RandomChain, fork_times, make_chain
from trinode.execution.genesis import GenesisBlock, build_genesis, parse_genesis
from trinode.protocol.deposit import DepositTransaction, encode_deposit, l1_info_source_hash
from trinode.protocol.l1_info import L1BlockInfo, L1InfoFormat, encode_l1_info
from trinode.protocol.payload import PayloadAttributes
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_attributes import L1_BLOCK_PREDEPLOY, L1_INFO_DEPOSITOR

BLOCKS = 1_000
"""Of FEW transfers each. After them comes one of MANY, and then those that are executed while others ask."""
FEW, MANY = 2, 200
BUSY_TRANSFERS = 600
"""20 Mgas."""
_GAS_LIMIT = 60_000_000
_HOLDERS = 2_000


class BenchChain:
    """Its genesis, and attributes one after the other: whoever makes them twice gets the same."""

    def __init__(self) -> None:
        chain: RandomChain = make_chain(fork_times("isthmus", 1, Random(6)), Random(6))
        self.config: RollupConfig = chain.config
        self.genesis_json: dict[str, Any] = chain.genesis
        self.genesis_json["alloc"] |= _alloc() | {sender_address(index).hex(): {"balance": hex(10**24)} for index in range(200)}
        self._senders = Senders()
        self._made = 0
        self._transfers = 0

    def genesis(self) -> GenesisBlock:
        """As our side has it."""
        return build_genesis(parse_genesis(self.genesis_json), self.config)

    def next(self, transfers: int) -> PayloadAttributes:
        """Those of the next block."""
        self._made += 1
        timestamp = GENESIS_TIME + BLOCK_TIME * self._made
        transactions = [_l1_attributes(self._made, timestamp)]
        for _ in range(transfers):
            self._transfers += 1
            transactions.append(token_transfer(self._senders, self._transfers, holder_address(self._transfers % _HOLDERS)))
        return PayloadAttributes(
            timestamp=timestamp,
            prev_randao=self._made.to_bytes(32, "big"),
            suggested_fee_recipient=bytes.fromhex("4200000000000000000000000000000000000011"),
            withdrawals=(),
            parent_beacon_block_root=bytes(32),
            transactions=tuple(transactions),
            no_tx_pool=True,
            gas_limit=_GAS_LIMIT,
            eip1559_params=bytes(8),
        )

    def all(self) -> list[PayloadAttributes]:
        """Up to and with the large block."""
        return [self.next(FEW) for _ in range(BLOCKS)] + [self.next(MANY)]


def _alloc() -> dict[str, Any]:
    runtime = bytes.fromhex(json.loads((SHARED / "spikes" / "erc20.json").read_text())["runtime"])
    words = {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in token_storage(holders=_HOLDERS).items()}
    return {TOKEN.hex(): {"balance": "0x0", "nonce": "0x1", "code": "0x" + runtime.hex(), "storage": words}}


def _l1_attributes(number: int, timestamp: int) -> bytes:
    info = L1BlockInfo(
        L1InfoFormat.ISTHMUS, number, timestamp, 10**9, number.to_bytes(32, "big"), 0, b"\xba" * 20, base_fee_scalar=1368, blob_base_fee=1
    )
    source = l1_info_source_hash(info.hash, info.sequence_number)
    return encode_deposit(DepositTransaction(source, L1_INFO_DEPOSITOR, L1_BLOCK_PREDEPLOY, 0, 0, 1_000_000, False, encode_l1_info(info)))
