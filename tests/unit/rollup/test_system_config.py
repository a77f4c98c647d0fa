"""System config updates, log by log."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.rollup.examples import SYSTEM_CONFIG_CONTRACT, TIMES, rollup_config, system_config
from trinode.protocol.receipt import Log, Receipt
from trinode.rollup.fork import Fork
from trinode.rollup.system_config import (
    CONFIG_UPDATE_TOPIC,
    FeeScalarError,
    SystemConfig,
    SystemConfigUpdateError,
    apply_config_update,
    decode_fee_scalar,
    encode_fee_scalar,
    encode_operator_fee_params,
    update_system_config,
)

BEFORE = system_config()
CONFIG = rollup_config()
BEDROCK = 1_000
ECOTONE = TIMES[Fork.ECOTONE]
FEE_SCALARS, GAS_LIMIT, SIGNER, EIP1559, OPERATOR_FEE, MIN_BASE_FEE, DA_FOOTPRINT = 1, 2, 3, 4, 5, 6, 7


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def abi_bytes(*words: bytes) -> bytes:
    return word(32) + word(32 * len(words)) + b"".join(words)


def update_log(update_type: int, data: bytes, *, address: bytes = SYSTEM_CONFIG_CONTRACT, version: int = 0) -> Log:
    return Log(address, (CONFIG_UPDATE_TOPIC, word(version), word(update_type)), data)


def receipt(*logs: Log, succeeded: bool = True) -> Receipt:
    return Receipt(
        type=2,
        succeeded=succeeded,
        post_state=None,
        cumulative_gas_used=21_000,
        logs_bloom=bytes(256),
        logs=logs,
        deposit_nonce=None,
        deposit_receipt_version=None,
    )


def apply(update_type: int, *words: bytes, at: int = BEDROCK) -> SystemConfig:
    return apply_config_update(BEFORE, update_log(update_type, abi_bytes(*words)), CONFIG, l1_inclusion_timestamp=at)


@pytest.mark.parametrize("at", [BEDROCK, TIMES[Fork.KARST]])
@pytest.mark.parametrize(
    ("update_type", "value", "change"),
    [
        (0, word(0xBEEF), {"batcher_address": word(0xBEEF)[12:]}),
        (GAS_LIMIT, word(2**64 - 1), {"gas_limit": 2**64 - 1}),
        (EIP1559, word(50 << 32 | 6), {"eip1559_params": bytes.fromhex("0000003200000006")}),
        (EIP1559, b"\xff" * 24 + bytes(8), {"eip1559_params": bytes(8)}),
        (OPERATOR_FEE, b"\xaa" * 32, {"operator_fee_params": b"\xaa" * 32}),
        (MIN_BASE_FEE, word(10**9), {"min_base_fee": 10**9}),
        (DA_FOOTPRINT, word(2**16 - 1), {"da_footprint_gas_scalar": 2**16 - 1}),
        (SIGNER, word(1), {}),
    ],
)
def test_every_type_is_taken_at_any_time(update_type: int, value: bytes, change: dict[str, object], at: int) -> None:
    assert apply(update_type, value, at=at) == replace(BEFORE, **change)  # type: ignore[arg-type]


def test_fee_scalars_before_ecotone_are_taken_as_they_are() -> None:
    after = apply(FEE_SCALARS, b"\x05" * 32, b"\x06" * 32, at=ECOTONE - 1)
    assert (after.overhead, after.scalar) == (b"\x05" * 32, b"\x06" * 32)


@pytest.mark.parametrize("scalar", [word(2**32 - 1), encode_fee_scalar(7, 8)])
def test_fee_scalars_since_ecotone_leave_no_overhead(scalar: bytes) -> None:
    after = apply(FEE_SCALARS, b"\x05" * 32, scalar, at=ECOTONE)
    assert (after.overhead, after.scalar) == (bytes(32), scalar)


@pytest.mark.parametrize("scalar", [word(2**32), b"\x01" + bytes(22) + b"\x01" + bytes(8), b"\x02" + bytes(31)])
def test_fee_scalars_that_ecotone_cannot_use(scalar: bytes) -> None:
    with pytest.raises(SystemConfigUpdateError, match="fee scalar"):
        apply(FEE_SCALARS, bytes(32), scalar, at=ECOTONE)
    assert apply(FEE_SCALARS, bytes(32), scalar, at=ECOTONE - 1).scalar == scalar


@pytest.mark.parametrize(
    ("update_type", "value"),
    [
        (0, word(2**160)),
        (GAS_LIMIT, word(2**64)),
        (EIP1559, word(6)),
        (EIP1559, word(50 << 32)),
        (MIN_BASE_FEE, word(2**64)),
        (DA_FOOTPRINT, word(2**16)),
        (8, word(0)),
        (2**255, word(0)),
    ],
)
def test_values_out_of_range_and_unknown_types(update_type: int, value: bytes) -> None:
    with pytest.raises(SystemConfigUpdateError):
        apply(update_type, value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        word(32) + word(32),
        word(32) + word(32) + bytes(31),
        word(32) + word(32) + bytes(64),
        word(64) + word(32) + bytes(32),
        word(32) + word(64) + bytes(32),
        word(2**64 + 32) + word(32) + bytes(32),
    ],
)
@pytest.mark.parametrize("update_type", [0, GAS_LIMIT, EIP1559, OPERATOR_FEE, MIN_BASE_FEE, DA_FOOTPRINT])
def test_malformed_data(update_type: int, data: bytes) -> None:
    with pytest.raises(SystemConfigUpdateError):
        apply_config_update(BEFORE, update_log(update_type, data), CONFIG, l1_inclusion_timestamp=BEDROCK)


def test_the_unsafe_block_signers_data_is_not_looked_at() -> None:
    log = update_log(SIGNER, b"whatever")
    assert apply_config_update(BEFORE, log, CONFIG, l1_inclusion_timestamp=BEDROCK) == BEFORE


def test_topics_and_version() -> None:
    log = update_log(GAS_LIMIT, abi_bytes(word(1)))
    for wrong in (log._replace(topics=log.topics[:2]), log._replace(topics=(*log.topics, bytes(32)))):
        with pytest.raises(SystemConfigUpdateError, match="topics"):
            apply_config_update(BEFORE, wrong, CONFIG, l1_inclusion_timestamp=BEDROCK)
    with pytest.raises(SystemConfigUpdateError, match="version"):
        apply_config_update(BEFORE, update_log(GAS_LIMIT, log.data, version=1), CONFIG, l1_inclusion_timestamp=BEDROCK)


def test_a_blocks_updates_apply_in_order_and_bad_ones_are_skipped_one_by_one() -> None:
    receipts = [
        receipt(update_log(GAS_LIMIT, abi_bytes(word(1))), update_log(9, b""), update_log(GAS_LIMIT, b"")),
        receipt(update_log(MIN_BASE_FEE, abi_bytes(word(5))), update_log(GAS_LIMIT, abi_bytes(word(2)))),
    ]
    after, problems = update_system_config(BEFORE, receipts, CONFIG, l1_inclusion_timestamp=BEDROCK)
    assert after == replace(BEFORE, gas_limit=2, min_base_fee=5)
    assert len(problems) == 2
    assert problems[0].startswith("system config update in receipt 0, log 1: unknown update type 9")


def test_logs_that_are_no_updates() -> None:
    good = update_log(GAS_LIMIT, abi_bytes(word(1)))
    receipts = [
        receipt(good, succeeded=False),
        receipt(good._replace(address=b"\x01" * 20)),
        receipt(good._replace(topics=()), good._replace(topics=(bytes(32), *good.topics[1:]))),
        receipt(),
    ]
    assert update_system_config(BEFORE, receipts, CONFIG, l1_inclusion_timestamp=BEDROCK) == (BEFORE, [])


def test_fee_scalars() -> None:
    assert decode_fee_scalar(word(684_000)) == (684_000, 0)
    assert decode_fee_scalar(encode_fee_scalar(1368, 810_949)) == (1368, 810_949)
    assert decode_fee_scalar(word(2**32)) == (2**32 - 1, 0)  # too large a number: the largest
    assert decode_fee_scalar(word(2**240 + 5)) == (2**32 - 1, 0)
    for scalar in (b"\x01\x01" + bytes(30), b"\x02" + bytes(31)):
        with pytest.raises(FeeScalarError):
            decode_fee_scalar(scalar)


def test_operator_fee() -> None:
    after = replace(BEFORE, operator_fee_params=encode_operator_fee_params(20_000, 500))
    assert after.operator_fee == (20_000, 500)
    assert replace(BEFORE, operator_fee_params=b"\xff" * 32).operator_fee == (2**32 - 1, 2**64 - 1)


def test_json_round_trip() -> None:
    assert SystemConfig.from_json(BEFORE.to_json()) == BEFORE
