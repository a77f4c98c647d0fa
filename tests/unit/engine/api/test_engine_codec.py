"""Strict reading of the Engine API's structures, and which version takes which fork."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trinode.engine.api import codec
from trinode.engine.api.versions import (
    FORKCHOICE_UPDATED,
    GET_PAYLOAD,
    NEW_PAYLOAD,
    UnsupportedFork,
    check_version,
    methods_of,
)
from trinode.engine.status import BuiltPayload, InvalidPayloadAttributes
from trinode.jsonrpc.fields import InvalidParams, parse_data, parse_quantity
from trinode.protocol.payload import ExecutionPayload, PayloadAttributes, PayloadEnvelope, Withdrawal
from trinode.rollup.fork import Fork
from trinode.rollup.forks import rules_of

UINT64 = st.integers(0, 2**64 - 1)
HASHES = st.binary(min_size=32, max_size=32)
ADDRESSES = st.binary(min_size=20, max_size=20)
TRANSACTIONS = st.lists(st.binary(max_size=40), max_size=3).map(tuple)
WITHDRAWALS = st.lists(st.builds(Withdrawal, UINT64, UINT64, ADDRESSES, UINT64), max_size=2).map(tuple)
FORKS = st.sampled_from(Fork)


@st.composite
def attributes_of_a_fork(draw: st.DrawFn) -> tuple[Fork, PayloadAttributes]:
    fork = draw(FORKS)
    rules = rules_of(fork)
    return fork, PayloadAttributes(
        timestamp=draw(UINT64),
        prev_randao=draw(HASHES),
        suggested_fee_recipient=draw(ADDRESSES),
        withdrawals=draw(WITHDRAWALS) if rules.withdrawals else None,
        parent_beacon_block_root=draw(HASHES) if rules.parent_beacon_block_root else None,
        transactions=draw(TRANSACTIONS),
        no_tx_pool=draw(st.booleans()),
        gas_limit=draw(UINT64),
        eip1559_params=draw(st.binary(min_size=8, max_size=8)) if rules.eip1559_params else None,
        min_base_fee=draw(UINT64) if rules.min_base_fee else None,
    )


@st.composite
def payloads_of_a_fork(draw: st.DrawFn) -> tuple[Fork, ExecutionPayload]:
    fork = draw(FORKS)
    return fork, ExecutionPayload(
        parent_hash=draw(HASHES),
        fee_recipient=draw(ADDRESSES),
        state_root=draw(HASHES),
        receipts_root=draw(HASHES),
        logs_bloom=draw(st.binary(min_size=256, max_size=256)),
        prev_randao=draw(HASHES),
        block_number=draw(UINT64),
        gas_limit=draw(UINT64),
        gas_used=draw(UINT64),
        timestamp=draw(UINT64),
        extra_data=draw(st.binary(max_size=32)),
        base_fee_per_gas=draw(st.integers(0, 2**256 - 1)),
        block_hash=draw(HASHES),
        transactions=draw(TRANSACTIONS),
        withdrawals=draw(WITHDRAWALS) if fork >= Fork.CANYON else None,
        blob_gas_used=draw(UINT64) if fork >= Fork.ECOTONE else None,
        excess_blob_gas=draw(UINT64) if fork >= Fork.ECOTONE else None,
        withdrawals_root=draw(HASHES) if fork >= Fork.ISTHMUS else None,
    )


@given(attributes_of_a_fork())
def test_attributes_are_read_as_written(case: tuple[Fork, PayloadAttributes]) -> None:
    fork, attributes = case
    assert codec.decode_attributes(codec.encode_attributes(attributes), "attributes", fork) == attributes


@given(payloads_of_a_fork(), HASHES, st.integers(0, 2**256 - 1))
def test_payloads_are_read_as_written(case: tuple[Fork, ExecutionPayload], root: bytes, value: int) -> None:
    fork, payload = case
    assert codec.decode_payload(codec.encode_payload(payload), "payload", fork) == payload
    built = BuiltPayload(PayloadEnvelope(payload, root if fork >= Fork.ECOTONE else None), value)
    version = int(methods_of(fork).get_payload[-1])
    assert codec.decode_built_payload(codec.encode_built_payload(built, version), "result", fork) == built
    assert codec.encode_built_payload(built, 1) == codec.encode_payload(payload)


def attributes_json(**changes: Any) -> dict[str, Any]:
    """A Jovian block's."""
    values = {
        "timestamp": "0x1",
        "prevRandao": "0x" + "11" * 32,
        "suggestedFeeRecipient": "0x" + "22" * 20,
        "withdrawals": [],
        "parentBeaconBlockRoot": "0x" + "33" * 32,
        "transactions": ["0x7e"],
        "noTxPool": True,
        "gasLimit": "0x1c9c380",
        "eip1559Params": "0x000000fa00000006",
        "minBaseFee": 7,
    }
    return {name: value for name, value in (values | changes).items() if value is not ...}


@pytest.mark.parametrize("name", ["gasLimit", "withdrawals", "parentBeaconBlockRoot", "eip1559Params", "minBaseFee"])
def test_a_fork_needs_its_attributes(name: str) -> None:
    for value in (None, ...):
        with pytest.raises(InvalidPayloadAttributes, match=rf"^params\[1\]\.{name}: missing$"):
            codec.decode_attributes(attributes_json(**{name: value}), "params[1]", Fork.JOVIAN)


@pytest.mark.parametrize(
    ("fork", "name"),
    [
        (Fork.ISTHMUS, "minBaseFee"),
        (Fork.GRANITE, "eip1559Params"),
        (Fork.DELTA, "parentBeaconBlockRoot"),
        (Fork.REGOLITH, "withdrawals"),
    ],
)
def test_an_attribute_of_a_later_fork_is_refused(fork: Fork, name: str) -> None:
    fields = {"minBaseFee", "eip1559Params", "parentBeaconBlockRoot", "withdrawals"}
    later = {each: ... for each in fields if each != name and not accepts(fork, each)}
    with pytest.raises(InvalidPayloadAttributes, match=rf"^attributes\.{name}: not before its fork"):
        codec.decode_attributes(attributes_json(**later), "attributes", fork)


def accepts(fork: Fork, name: str) -> bool:
    rules = rules_of(fork)
    return {
        "minBaseFee": rules.min_base_fee,
        "eip1559Params": rules.eip1559_params,
        "parentBeaconBlockRoot": rules.parent_beacon_block_root,
        "withdrawals": rules.withdrawals,
    }[name]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("timestamp", ..., "missing"),
        ("timestamp", "0x01", "leading zeros"),
        ("timestamp", "0x", "leading zeros"),
        ("timestamp", "1", "leading zeros"),
        ("timestamp", 1, "not 1"),
        ("timestamp", "0x10000000000000000", "more than 0xffffffffffffffff"),
        ("prevRandao", "0x" + "11" * 31, "31 bytes, not 32"),
        ("prevRandao", "0x" + " 1" * 32, "not hex"),
        ("suggestedFeeRecipient", "0x1", "not hex"),
        ("suggestedFeeRecipient", "22" * 20, "0x-prefixed hex"),
        ("withdrawals", {}, "a list was expected, not an object"),
        ("withdrawals", [{"index": "0x0"}], "missing"),
        ("transactions", "0x", "a list was expected"),
        ("transactions", ["0x1"], r"transactions\[0\]: '0x1' is not hex"),
        ("noTxPool", 1, "true or false"),
        ("eip1559Params", "0x00", "1 bytes, not 8"),
        ("minBaseFee", -1, "no uint64"),
        ("minBaseFee", True, "not true"),
        ("colour", "red", "not known"),
    ],
)
def test_a_bad_attribute_is_named(name: str, value: Any, problem: str) -> None:
    with pytest.raises(InvalidParams, match=problem) as caught:
        codec.decode_attributes(attributes_json(**{name: value}), "attributes", Fork.JOVIAN)
    assert caught.value.field.startswith(f"attributes.{name}")


def test_what_may_be_left_out() -> None:
    attributes = codec.decode_attributes(attributes_json(transactions=None, noTxPool=..., colour=None), "attributes", Fork.JOVIAN)
    assert (attributes.transactions, attributes.no_tx_pool) == ((), False)


def test_the_minimum_base_fee_may_be_a_quantity() -> None:
    assert codec.decode_attributes(attributes_json(minBaseFee="0x7"), "", Fork.JOVIAN) == codec.decode_attributes(attributes_json(), "", Fork.JOVIAN)


@given(payloads_of_a_fork(), st.data())
def test_a_payload_lacks_nothing_and_has_nothing_more(case: tuple[Fork, ExecutionPayload], data: st.DataObject) -> None:
    fork, payload = case
    whole = codec.encode_payload(payload)
    name = data.draw(st.sampled_from(sorted(whole)))
    with pytest.raises(InvalidParams, match=rf"^payload\.{name}: missing$"):
        codec.decode_payload({key: value for key, value in whole.items() if key != name}, "payload", fork)
    with pytest.raises(InvalidParams, match=r"^payload\.slotNumber: not known"):
        codec.decode_payload(whole | {"slotNumber": "0x1"}, "payload", fork)
    assert codec.decode_payload(whole | {"slotNumber": None}, "payload", fork) == payload


@given(st.integers(0, 2**256 - 1))
def test_quantities(number: int) -> None:
    assert parse_quantity(hex(number), "", 2**256 - 1) == number
    with pytest.raises(InvalidParams):
        parse_quantity(f"0x0{number:x}", "")
    if number:
        with pytest.raises(InvalidParams, match="is more than"):
            parse_quantity(hex(number), "", number - 1)


@given(st.binary(max_size=50))
def test_data(data: bytes) -> None:
    assert parse_data("0x" + data.hex().upper(), "", len(data)) == data


def test_methods_go_up_with_the_forks() -> None:
    assert methods_of(Fork.DELTA) == ("engine_forkchoiceUpdatedV2", "engine_getPayloadV2", "engine_newPayloadV2")
    assert methods_of(Fork.HOLOCENE) == ("engine_forkchoiceUpdatedV3", "engine_getPayloadV3", "engine_newPayloadV3")
    assert methods_of(Fork.JOVIAN) == ("engine_forkchoiceUpdatedV3", "engine_getPayloadV4", "engine_newPayloadV4")
    assert methods_of(Fork.KARST) == ("engine_forkchoiceUpdatedV3", "engine_getPayloadV5", "engine_newPayloadV4")


def test_each_version_takes_its_forks() -> None:
    def forks(method: str, version: int) -> tuple[Fork, Fork]:
        taken = []
        for fork in Fork:
            try:
                check_version(method, version, fork)
            except UnsupportedFork:
                continue
            taken.append(fork)
        assert taken == [fork for fork in Fork if taken[0] <= fork <= taken[-1]]
        return taken[0], taken[-1]

    last = max(Fork)
    assert [forks(FORKCHOICE_UPDATED, version) for version in (1, 2, 3)] == [
        (Fork.BEDROCK, Fork.REGOLITH),
        (Fork.BEDROCK, Fork.DELTA),
        (Fork.ECOTONE, last),
    ]
    assert [forks(NEW_PAYLOAD, version) for version in (1, 2, 3, 4)] == [
        (Fork.BEDROCK, Fork.REGOLITH),
        (Fork.BEDROCK, Fork.DELTA),
        (Fork.ECOTONE, Fork.HOLOCENE),
        (Fork.ISTHMUS, last),
    ]
    assert [forks(GET_PAYLOAD, version) for version in (3, 4, 5)] == [
        (Fork.ECOTONE, Fork.HOLOCENE),
        (Fork.ISTHMUS, Fork.JOVIAN),
        (Fork.KARST, last),
    ]
    with pytest.raises(UnsupportedFork, match="engine_getPayloadV4 does not take karst blocks; engine_getPayloadV5 does"):
        check_version(GET_PAYLOAD, 4, Fork.KARST)
