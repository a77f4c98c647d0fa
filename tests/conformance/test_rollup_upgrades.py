"""The upgrade deposits against the protocol's facts, another client's bytes (kona) and a public chain's block."""

from __future__ import annotations

import json

import pytest

from tests.shared import shared
from trinode.protocol.deposit import decode_deposit
from trinode.rollup.fork import Fork
from trinode.rollup.forks import rules_of

COUNTS = {Fork.ECOTONE: 6, Fork.FJORD: 3, Fork.ISTHMUS: 8, Fork.JOVIAN: 5, Fork.KARST: 31}


@pytest.mark.parametrize("fork", COUNTS)
def test_facts(fork: Fork) -> None:
    facts = json.loads(shared(f"data/upgrades/{fork.label}.json").read_text())
    rules = rules_of(fork)
    assert len(rules.upgrade_deposits) == len(facts["transactions"]) == COUNTS[fork]
    assert sum(deposit.gas_limit for deposit in rules.upgrade_deposits) == facts["gas_total"]
    assert tuple(decode_deposit(raw) for raw in rules.upgrade_transactions) == rules.upgrade_deposits
    for deposit, fact in zip(rules.upgrade_deposits, facts["transactions"], strict=True):
        assert "0x" + deposit.source_hash.hex() == fact["source_hash"]
        assert "0x" + deposit.sender.hex() == fact["from"]
        assert (None if deposit.to is None else "0x" + deposit.to.hex()) == fact["to"]
        assert (deposit.mint, deposit.value, deposit.gas_limit) == (fact["mint"], fact["value"], fact["gas"])
        assert deposit.is_system_transaction is fact["is_system"]
        assert "0x" + deposit.data.hex() == fact["data"]


@pytest.mark.parametrize("fork", [Fork.ECOTONE, Fork.FJORD, Fork.ISTHMUS])
def test_the_bytes_of_another_client(fork: Fork) -> None:
    raw = json.loads(shared("data/vectors/upgrade_deposit_txs.json").read_text())["raw"]
    theirs = [bytes.fromhex(raw[f"{fork.label}_tx_{index}.hex"]) for index in range(COUNTS[fork])]
    assert list(rules_of(fork).upgrade_transactions) == theirs


def test_a_jovian_activation_block_of_a_public_chain() -> None:
    vectors = json.loads(shared("data/vectors/upgrade_deposit_txs.json").read_text())
    _, *upgrades = vectors["jovian_activation_block_real"]["transactions"]
    assert ["0x" + raw.hex() for raw in rules_of(Fork.JOVIAN).upgrade_transactions] == upgrades
    hashes = {deposit.source_hash.hex() for deposit in rules_of(Fork.JOVIAN).upgrade_deposits}
    assert hashes == set(vectors["source_hashes"]["jovian"].values())
