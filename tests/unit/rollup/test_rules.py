"""What each fork changes, and only that."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from trinode.protocol.l1_info import L1InfoFormat
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.forks import rules_of
from trinode.rollup.rules import Rules

UPGRADE_FIELDS = {"fork", "upgrade_deposits", "upgrade_transactions", "upgrade_gas"}
DELTAS: dict[Fork, dict[str, Any]] = {
    Fork.REGOLITH: {"l1_info_is_system_transaction": False, "l1_info_gas": 1_000_000},
    Fork.CANYON: {"reads_any_ready_channel": True, "withdrawals": True},
    Fork.DELTA: {"span_batches": True},
    Fork.ECOTONE: {
        "blob_data": True,
        "l1_info_format": L1InfoFormat.ECOTONE,
        "parent_beacon_block_root": True,
    },
    Fork.FJORD: {
        "brotli": True,
        "max_rlp_bytes_per_channel": 100_000_000,
        "max_channel_bank_size": 1_000_000_000,
        "sequencer_drift": 1800,
    },
    Fork.GRANITE: {"channel_timeout": 50},
    Fork.HOLOCENE: {"strict_ordering": True, "eip1559_params": True},
    Fork.ISTHMUS: {
        "l1_info_format": L1InfoFormat.ISTHMUS,
        "operator_fee": True,
        "set_code_transactions": True,
    },
    Fork.JOVIAN: {"l1_info_format": L1InfoFormat.JOVIAN, "min_base_fee": True, "empty_activation_block": True},
    Fork.KARST: {},
    Fork.LAGOON: {},
}


def test_bedrock_is_the_defaults() -> None:
    assert rules_of(Fork.BEDROCK) == Rules()
    assert (Rules().max_rlp_bytes_per_channel, Rules().max_channel_bank_size) == (10_000_000, 100_000_000)
    assert (Rules().l1_info_is_system_transaction, Rules().l1_info_gas) == (True, 150_000_000)


@pytest.mark.parametrize("fork", SCHEDULED_FORKS)
def test_a_fork_changes_this_and_no_more(fork: Fork) -> None:
    before, after = rules_of(Fork(fork - 1)), rules_of(fork)
    changed = {
        field.name: getattr(after, field.name)
        for field in fields(Rules)
        if field.name not in UPGRADE_FIELDS and getattr(before, field.name) != getattr(after, field.name)
    }
    assert changed == DELTAS[fork]
    assert after.fork is fork


def test_upgrade_deposits_are_the_forks_own() -> None:
    counts = {fork: len(rules_of(fork).upgrade_deposits) for fork in Fork if rules_of(fork).upgrade_deposits}
    assert counts == {Fork.ECOTONE: 6, Fork.FJORD: 3, Fork.ISTHMUS: 8, Fork.JOVIAN: 5, Fork.KARST: 31}


def test_only_karst_brings_gas_for_them() -> None:
    assert {fork: rules_of(fork).upgrade_gas for fork in Fork if rules_of(fork).upgrade_gas} == {Fork.KARST: 55_370_657}


def test_rules_are_made_once() -> None:
    assert rules_of(Fork.JOVIAN) is rules_of(Fork.JOVIAN)


def test_forks_are_in_order() -> None:
    early = ["bedrock", "regolith", "canyon", "delta", "ecotone", "fjord"]
    late = ["granite", "holocene", "isthmus", "jovian", "karst", "lagoon"]
    assert [fork.label for fork in sorted(Fork)] == early + late
    assert Fork.ECOTONE.time_field == "ecotone_time"
