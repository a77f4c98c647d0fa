"""The L1 attributes deposit by fork; whole deposits are compared in the conformance tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.rollup.examples import TIMES, l1_header, rollup_config, system_config, up_to
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.l1_cost import blob_base_fee
from trinode.protocol.l1_info import L1BlockInfo, L1InfoFormat, decode_l1_info
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.l1_attributes import CriticalConfigError, l1_blob_base_fee, l1_info_deposit, l1_info_format_at
from trinode.rollup.l1_chain import BlobSchedule, L1ChainConfig
from trinode.rollup.system_config import SystemConfig, encode_fee_scalar, encode_operator_fee_params

CANCUN, PRAGUE = 3338477, 5007716
L1_CHAIN = L1ChainConfig(
    900, (BlobSchedule("cancun", 1_100, 3, 6, CANCUN), BlobSchedule("prague", 1_400, 6, 9, PRAGUE)), prague_time=1_400
)
L1_HASH = b"\x77" * 32
EXCESS = 50_000_000


def deposit(
    l2_timestamp: int, config: RollupConfig | None = None, system: SystemConfig | None = None
) -> DepositTransaction:
    return l1_info_deposit(
        config or rollup_config(),
        L1_CHAIN,
        system or system_config(),
        3,
        l1_header(excess_blob_gas=EXCESS),
        L1_HASH,
        l2_timestamp,
    )


def info(l2_timestamp: int, system: SystemConfig | None = None) -> L1BlockInfo:
    return decode_l1_info(deposit(l2_timestamp, system=system).data)


@pytest.mark.parametrize(
    ("fork", "format"),
    [
        (Fork.ECOTONE, L1InfoFormat.ECOTONE),
        (Fork.ISTHMUS, L1InfoFormat.ISTHMUS),
        (Fork.JOVIAN, L1InfoFormat.JOVIAN),
    ],
)
def test_the_activation_block_keeps_the_format_before(fork: Fork, format: L1InfoFormat) -> None:
    config, time = rollup_config(), TIMES[fork]
    before = l1_info_format_at(config, l2_timestamp=time - 2)
    assert before is not format
    assert l1_info_format_at(config, l2_timestamp=time) is before
    assert l1_info_format_at(config, l2_timestamp=time + 2) is format
    unaligned = rollup_config(**{fork.time_field: time - 1})
    assert l1_info_format_at(unaligned, l2_timestamp=time) is before
    assert l1_info_format_at(unaligned, l2_timestamp=time + 2) is format


def test_a_fork_at_genesis_has_its_format_at_once() -> None:
    config = rollup_config(**up_to(Fork.JOVIAN))
    assert l1_info_format_at(config, l2_timestamp=config.genesis.l2_time + 2) is L1InfoFormat.JOVIAN
    assert l1_info_format_at(config, l2_timestamp=1) is L1InfoFormat.JOVIAN


def test_forks_that_activate_together_keep_the_format_before_all() -> None:
    config = rollup_config(**up_to(Fork.KARST, 1_500))
    assert l1_info_format_at(config, l2_timestamp=1_500) is L1InfoFormat.BEDROCK
    assert l1_info_format_at(config, l2_timestamp=1_502) is L1InfoFormat.JOVIAN


def test_what_each_format_says() -> None:
    system = replace(
        system_config(),
        scalar=encode_fee_scalar(11, 12),
        operator_fee_params=encode_operator_fee_params(13, 14),
        da_footprint_gas_scalar=15,
    )
    origin = {
        "number": 77,
        "timestamp": 1_500,
        "base_fee": 7,
        "hash": L1_HASH,
        "sequence_number": 3,
        "batcher_address": b"\xba" * 20,
    }
    bedrock = {"l1_fee_overhead": 0xBC, "l1_fee_scalar": int.from_bytes(system.scalar, "big")}
    ecotone = {"base_fee_scalar": 11, "blob_base_fee_scalar": 12, "blob_base_fee": blob_base_fee(EXCESS, PRAGUE)}
    isthmus = ecotone | {"operator_fee_scalar": 13, "operator_fee_constant": 14}
    for time, format, fees in (
        (TIMES[Fork.CANYON], L1InfoFormat.BEDROCK, bedrock),
        (TIMES[Fork.FJORD], L1InfoFormat.ECOTONE, ecotone),
        (TIMES[Fork.JOVIAN], L1InfoFormat.ISTHMUS, isthmus),
        (TIMES[Fork.KARST], L1InfoFormat.JOVIAN, isthmus | {"da_footprint_gas_scalar": 15}),
    ):
        assert info(time, system) == L1BlockInfo(format=format, **origin, **fees)  # type: ignore[arg-type]


def test_gas_of_the_deposit() -> None:
    before, after = deposit(TIMES[Fork.REGOLITH] - 2), deposit(TIMES[Fork.REGOLITH])
    assert (before.gas_limit, before.is_system_transaction) == (150_000_000, True)
    assert (after.gas_limit, after.is_system_transaction) == (1_000_000, False)
    assert before.sender.hex() == "deaddeaddeaddeaddeaddeaddeaddeaddead0001"
    assert before.to == bytes.fromhex("4200000000000000000000000000000000000015")


def test_a_da_footprint_scalar_of_zero_is_the_default() -> None:
    assert info(TIMES[Fork.KARST]).da_footprint_gas_scalar == 400


def test_fee_scalars_set_before_ecotone() -> None:
    after = TIMES[Fork.FJORD]
    too_large = info(after, replace(system_config(), scalar=(2**32).to_bytes(32, "big")))
    assert (too_large.base_fee_scalar, too_large.blob_base_fee_scalar) == (2**32 - 1, 0)
    dirty = replace(system_config(), scalar=b"\x01\x01" + bytes(30))
    with pytest.raises(CriticalConfigError, match="dirty padding"):
        info(after, dirty)
    assert info(TIMES[Fork.ECOTONE], dirty).format is L1InfoFormat.BEDROCK  # not yet


def test_the_blob_base_fee_follows_l1() -> None:
    config = rollup_config()
    for time, fraction in ((1_399, CANCUN), (1_400, PRAGUE)):
        assert l1_blob_base_fee(config, L1_CHAIN, l1_header(time, EXCESS)) == blob_base_fee(EXCESS, fraction)
    assert l1_blob_base_fee(config, L1_CHAIN, l1_header(1_400, None)) == 1


def test_the_pectra_blob_schedule_delays_it() -> None:
    config = rollup_config(pectra_blob_schedule_time=1_450)
    for time, fraction in ((1_449, CANCUN), (1_450, PRAGUE)):
        assert l1_blob_base_fee(config, L1_CHAIN, l1_header(time, EXCESS)) == blob_base_fee(EXCESS, fraction)
    assert l1_blob_base_fee(config, L1_CHAIN, l1_header(1_400, None)) == 1


def test_blobs_that_the_schedule_does_not_know() -> None:
    with pytest.raises(CriticalConfigError, match="L1 chain 900"):
        l1_blob_base_fee(rollup_config(), L1_CHAIN, l1_header(1_099, 0))
