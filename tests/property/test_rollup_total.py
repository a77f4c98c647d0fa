"""Whatever L1, an engine or a file holds: an answer or the documented error."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rollup.examples import SYSTEM_CONFIG_CONTRACT, TIMES, rollup_config, rollup_json, system_config
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.protocol.receipt import Log
from trinode.rollup.config import RollupConfigError, parse_rollup_config
from trinode.rollup.l2_block import L2BlockError, read_l2_block
from trinode.rollup.system_config import (
    CONFIG_UPDATE_TOPIC,
    SystemConfig,
    SystemConfigUpdateError,
    apply_config_update,
    decode_fee_scalar,
    encode_fee_scalar,
)

CONFIG = rollup_config()
SELECTORS = ["015d8eb9", "440a5e20", "098999be", "3db6be2b"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


@given(
    st.integers(0, 9),
    st.binary(max_size=200)
    | st.binary(min_size=32, max_size=64).map(lambda value: word(32) + word(len(value)) + value),
    st.sampled_from([1_000, *TIMES.values()]),
)
def test_updates(update_type: int, data: bytes, at: int) -> None:
    log = Log(SYSTEM_CONFIG_CONTRACT, (CONFIG_UPDATE_TOPIC, bytes(32), word(update_type)), data)
    try:
        after = apply_config_update(system_config(), log, CONFIG, l1_inclusion_timestamp=at)
    except SystemConfigUpdateError:
        return
    assert SystemConfig.from_json(after.to_json()) == after


@given(
    st.sampled_from(SELECTORS).map(bytes.fromhex),
    st.binary(max_size=300),
    st.sampled_from([time + step for time in TIMES.values() for step in (-2, 0, 2)]),
    st.binary(max_size=20),
    st.integers(0, 2**64 - 1),
)
def test_blocks(selector: bytes, arguments: bytes, timestamp: int, extra_data: bytes, gas_limit: int) -> None:
    deposit = DepositTransaction(bytes(32), bytes(20), bytes(20), 0, 0, 0, False, selector + arguments)
    for raw in (encode_deposit(deposit), arguments, b"\x7e" + arguments):
        try:
            block = read_l2_block(
                CONFIG,
                hash=bytes(32),
                number=9,
                parent_hash=bytes(32),
                timestamp=timestamp,
                gas_limit=gas_limit,
                extra_data=extra_data,
                transactions=(raw,),
            )
        except L2BlockError:
            continue
        assert block.system_config.gas_limit <= gas_limit


@given(st.data())
def test_configurations(data: st.DataObject) -> None:
    given_json: dict[str, Any] = rollup_json()
    inner = given_json
    while True:
        name = data.draw(st.sampled_from(sorted(inner)))
        if not isinstance(inner[name], dict) or data.draw(st.booleans()):
            break
        inner = inner[name]
    inner[name] = data.draw(json_values)
    try:
        config = parse_rollup_config(given_json)
    except RollupConfigError as error:
        named = error.field
    else:
        named = name
        assert parse_rollup_config(config.to_json()) == config
    assert name in named or named.endswith("_time")  # the order of the forks may put the blame on another one


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_fee_scalars(base_fee_scalar: int, blob_base_fee_scalar: int) -> None:
    scalar = encode_fee_scalar(base_fee_scalar, blob_base_fee_scalar)
    assert decode_fee_scalar(scalar) == (base_fee_scalar, blob_base_fee_scalar)
