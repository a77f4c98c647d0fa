"""A chain of a few accounts, to build blocks on: its forks are at genesis but for those that a test gives a time."""

from __future__ import annotations

from dataclasses import replace

from trinode.execution.block import BlockExecutor
from trinode.execution.evm.engine import FastEngine
from trinode.execution.genesis import Genesis, build_genesis
from trinode.execution.memory import MemoryState
from trinode.execution.recovery import recover_sender
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.eip1559 import encode_holocene_extra_data, encode_jovian_extra_data
from trinode.protocol.l1_info import L1BlockInfo, L1InfoFormat, encode_l1_info
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.transaction import DynamicFeeTransaction, encode_transaction, sign_transaction
from trinode.protocol.types import Address, BlockId
from trinode.rollup.chains import chain_by_name
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

CHAIN_ID = 901
GENESIS_TIME = 1_000
KEYS = [bytes([number]) * 32 for number in range(1, 5)]
TARGET: Address = b"\x07" * 20
ETHER = 10**18


def config_of(fork: Fork, *, later: dict[Fork, int] | None = None) -> RollupConfig:
    """`fork` and all before it at genesis; `later` forks at their times."""
    base = chain_by_name("op-sepolia")
    times = {each: 0 for each in SCHEDULED_FORKS if each <= fork} | (later or {})
    genesis = replace(base.genesis, l2=BlockId(0, bytes(32)), l2_time=GENESIS_TIME)
    return replace(base, l2_chain_id=CHAIN_ID, fork_times=times, genesis=genesis)


def senders() -> list[Address]:
    """The accounts of KEYS, which have an ether each."""
    found = []
    for key in KEYS:
        sender = recover_sender(sign_transaction(DynamicFeeTransaction(1, 0, 0, 0, 0, None, 0, b""), key))
        assert isinstance(sender, bytes)
        found.append(sender)
    return found


class SmallChain:
    """The chain at its genesis."""

    def __init__(self, fork: Fork, *, later: dict[Fork, int] | None = None) -> None:
        self.fork = fork
        self.config = config_of(fork, later=later)
        alloc = StateChanges(accounts={sender: Account(0, ETHER, EMPTY_CODE_HASH) for sender in senders()})
        extra = b"" if fork < Fork.HOLOCENE else encode_holocene_extra_data(250, 6)
        genesis = Genesis(
            timestamp=GENESIS_TIME,
            gas_limit=30_000_000,
            difficulty=0,
            beneficiary=bytes(20),
            extra_data=encode_jovian_extra_data(250, 6, 0) if fork >= Fork.JOVIAN else extra,
            mix_hash=bytes(32),
            nonce=0,
            number=0,
            gas_used=0,
            parent_hash=bytes(32),
            base_fee_per_gas=1_000,
            excess_blob_gas=None,
            blob_gas_used=None,
            alloc=alloc,
        )
        self.state = MemoryState(build_genesis(genesis, self.config))
        self.executor = BlockExecutor(self.config, FastEngine())

    def attributes(
        self, *transactions: bytes, after: int = 2, gas_limit: int = 30_000_000, no_tx_pool: bool = True, info: L1InfoFormat | None = None
    ) -> PayloadAttributes:
        """The block `after` seconds later, with its L1 attributes before `transactions`."""
        timestamp = self.state.parent.header.timestamp + after
        fork = self.config.fork_at(l2_timestamp=timestamp)
        return PayloadAttributes(
            timestamp=timestamp,
            prev_randao=b"\x0a" * 32,
            suggested_fee_recipient=bytes.fromhex("4200000000000000000000000000000000000011"),
            withdrawals=() if fork >= Fork.CANYON else None,
            parent_beacon_block_root=bytes(32) if fork >= Fork.ECOTONE else None,
            transactions=(l1_attributes(info or _format_of(fork)), *transactions),
            no_tx_pool=no_tx_pool,
            gas_limit=gas_limit,
            eip1559_params=bytes(8) if fork >= Fork.HOLOCENE else None,
            min_base_fee=0 if fork >= Fork.JOVIAN else None,
        )


def _format_of(fork: Fork) -> L1InfoFormat:
    if fork >= Fork.JOVIAN:
        return L1InfoFormat.JOVIAN
    if fork >= Fork.ISTHMUS:
        return L1InfoFormat.ISTHMUS
    return L1InfoFormat.ECOTONE if fork >= Fork.ECOTONE else L1InfoFormat.BEDROCK


def l1_attributes(form: L1InfoFormat, da_footprint_gas_scalar: int = 400) -> bytes:
    """The first transaction of a block."""
    scalar = da_footprint_gas_scalar if form is L1InfoFormat.JOVIAN else 0
    info = L1BlockInfo(form, 1, 900, 7, b"\x01" * 32, 0, bytes(20), da_footprint_gas_scalar=scalar)
    depositor = bytes.fromhex("deaddeaddeaddeaddeaddeaddeaddeaddead0001")
    l1_block = bytes.fromhex("4200000000000000000000000000000000000015")
    return encode_deposit(DepositTransaction(b"\x02" * 32, depositor, l1_block, 0, 0, 1_000_000, False, encode_l1_info(info)))


def transfer(key: int, nonce: int, *, gas_limit: int = 100_000, data: bytes = b"", fee: int = 2_000, chain_id: int = CHAIN_ID) -> bytes:
    """One wei to TARGET from the account of KEYS[key]."""
    unsigned = DynamicFeeTransaction(chain_id, nonce, 1, fee, gas_limit, TARGET, 1, data)
    return encode_transaction(sign_transaction(unsigned, KEYS[key]))
