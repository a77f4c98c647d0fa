"""Reading an L2 block back: its L1 origin, and the system config that its children get."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.rollup.examples import GENESIS_TIME, TIMES, l1_header, rollup_config, system_config
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.l1_attributes import l1_info_deposit
from trinode.rollup.l1_chain import BlobSchedule, L1ChainConfig
from trinode.rollup.l2_block import L2Block, L2BlockError, read_l2_block
from trinode.rollup.system_config import SystemConfig, encode_fee_scalar, encode_operator_fee_params

L1_CHAIN = L1ChainConfig(900, (BlobSchedule("cancun", 0, 3, 6, 3338477),))
KARST_GAS = 55_370_657
SYSTEM = replace(
    system_config(),
    overhead=bytes(32),
    scalar=encode_fee_scalar(11, 12),
    eip1559_params=bytes.fromhex("000000fa00000006"),
    operator_fee_params=encode_operator_fee_params(13, 14),
    min_base_fee=15,
    da_footprint_gas_scalar=16,
)
HOLOCENE_EXTRA = bytes.fromhex("00000000fa00000006")
JOVIAN_EXTRA = bytes.fromhex("01000000fa00000006000000000000000f")


def l1_info(config: RollupConfig, timestamp: int, system: SystemConfig) -> DepositTransaction:
    return l1_info_deposit(config, L1_CHAIN, system, 4, l1_header(), b"\x77" * 32, timestamp)


def read(timestamp: int, config: RollupConfig | None = None, system: SystemConfig = SYSTEM, **changes: Any) -> L2Block:
    config = config or rollup_config()
    extra = b""
    if config.is_active(Fork.HOLOCENE, l2_timestamp=timestamp):
        extra = HOLOCENE_EXTRA
    if config.is_active(Fork.JOVIAN, l2_timestamp=timestamp):
        extra = JOVIAN_EXTRA
    arguments = {
        "hash": b"\x99" * 32,
        "number": 9,
        "parent_hash": b"\x98" * 32,
        "timestamp": timestamp,
        "gas_limit": system.gas_limit,
        "extra_data": extra,
        "transactions": (encode_deposit(l1_info(config, timestamp, system)), b"\x02user"),
    }
    return read_l2_block(config, **arguments | changes)  # type: ignore[arg-type]


def test_place_on_l1() -> None:
    block = read(1_450)
    assert block.ref.l1_origin == BlockId(77, b"\x77" * 32)
    assert block.ref.sequence_number == 4
    assert (block.ref.id, block.ref.parent_hash, block.ref.timestamp) == (BlockId(9, b"\x99" * 32), b"\x98" * 32, 1_450)
    assert block.transactions[1] == b"\x02user"


def test_genesis() -> None:
    config = rollup_config()
    genesis = config.genesis
    block = read(GENESIS_TIME, number=genesis.l2.number, hash=genesis.l2.hash, transactions=(), extra_data=b"BEDROCK")
    assert (block.ref.l1_origin, block.ref.sequence_number) == (genesis.l1, 0)
    assert block.system_config == genesis.system_config
    with pytest.raises(L2BlockError, match="genesis block 0"):
        read(GENESIS_TIME, number=genesis.l2.number, transactions=())


def test_the_last_fork_carries_everything() -> None:
    assert read(TIMES[Fork.KARST] + 2).system_config == SYSTEM


def lost(timestamp: int) -> set[str]:
    """What of the system config a block's children do not get from it."""
    after = read(timestamp).system_config
    return {name for name in after.to_json() if after.to_json()[name] != SYSTEM.to_json()[name]}


def test_what_a_fork_cannot_carry_is_lost() -> None:
    """Also in the activation blocks, whose L1 attributes still have the old format."""
    isthmus_and_later = {"minBaseFee", "daFootprintGasScalar"}
    holocene = isthmus_and_later | {"operatorFeeParams"}
    granite = holocene | {"eip1559Params"}
    assert lost(TIMES[Fork.FJORD]) == granite
    assert lost(TIMES[Fork.HOLOCENE] - 2) == granite
    assert lost(TIMES[Fork.HOLOCENE]) == holocene
    assert lost(TIMES[Fork.ISTHMUS]) == holocene
    assert lost(TIMES[Fork.ISTHMUS] + 2) == isthmus_and_later
    assert lost(TIMES[Fork.JOVIAN]) == {"daFootprintGasScalar"}
    assert lost(TIMES[Fork.JOVIAN] + 2) == set()


def test_bedrock_scalars() -> None:
    system = system_config()
    assert read(TIMES[Fork.ECOTONE], system=system).system_config == system
    after = read(TIMES[Fork.ECOTONE] + 2, system=system).system_config
    assert (after.overhead, after.scalar) == (bytes(32), encode_fee_scalar(684_000, 0))


def test_karst_gas_is_taken_off() -> None:
    karst = TIMES[Fork.KARST]
    gas_limit = SYSTEM.gas_limit + KARST_GAS
    assert read(karst, gas_limit=gas_limit).system_config == SYSTEM
    assert read(karst + 2, gas_limit=gas_limit).system_config.gas_limit == gas_limit
    kept = read(karst, rollup_config(keep_karst_upgrade_gas=True), gas_limit=gas_limit)
    assert kept.system_config.gas_limit == gas_limit
    with pytest.raises(L2BlockError, match="upgrade's gas"):
        read(karst, gas_limit=KARST_GAS - 1)


@pytest.mark.parametrize(
    ("transactions", "message"),
    [
        ((), "no transactions"),
        ((b"",), "no deposit"),
        ((b"\x02\xc0",), "no deposit"),
        ((b"\x7e\xc0",), "no deposit"),
        (
            (encode_deposit(replace(l1_info(rollup_config(), 1_450, SYSTEM), data=b"\x01\x02\x03\x04")),),
            "no L1 attributes",
        ),
        ((encode_deposit(l1_info(rollup_config(), 1_302, SYSTEM)),), "format of bedrock, not ecotone"),
        ((encode_deposit(l1_info(rollup_config(), 1_902, SYSTEM)),), "format of jovian, not ecotone"),
    ],
)
def test_no_l1_attributes(transactions: tuple[bytes, ...], message: str) -> None:
    with pytest.raises(L2BlockError, match=message) as caught:
        read(1_450, transactions=transactions)
    assert str(caught.value).startswith("L2 block 9 0x9999")


@pytest.mark.parametrize(
    ("timestamp", "extra_data"),
    [
        (TIMES[Fork.HOLOCENE] - 2, HOLOCENE_EXTRA),
        (TIMES[Fork.HOLOCENE], b""),
        (TIMES[Fork.HOLOCENE], HOLOCENE_EXTRA[:-1]),
        (TIMES[Fork.HOLOCENE], b"\x01" + HOLOCENE_EXTRA[1:]),
        (TIMES[Fork.HOLOCENE], bytes(9)),
        (TIMES[Fork.HOLOCENE], HOLOCENE_EXTRA[:5] + bytes(4)),
        (TIMES[Fork.HOLOCENE], JOVIAN_EXTRA),
        (TIMES[Fork.JOVIAN], HOLOCENE_EXTRA),
        (TIMES[Fork.JOVIAN], b"\x00" + JOVIAN_EXTRA[1:]),
        (TIMES[Fork.JOVIAN], b"\x01" + bytes(16)),
    ],
)
def test_extra_data_that_does_not_fit_the_fork(timestamp: int, extra_data: bytes) -> None:
    with pytest.raises(L2BlockError, match="extraData"):
        read(timestamp, extra_data=extra_data)
