"""The upgrade deposits of a fork's activation block, from package data.

`data/<fork>.json` is a list of `[intent, sender, target or null, gas limit, input]`: everything else about such a
deposit is the same for all, and its source hash follows from the intent (specification: deposits, "Upgrade-deposited").
"""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

from trinode.protocol.deposit import DepositTransaction, encode_deposit, upgrade_source_hash
from trinode.rollup.fork import Fork
from trinode.rollup.rules import Rules


def with_upgrade_deposits(rules: Rules, fork: Fork, *, adds_gas: bool = False) -> Rules:
    """`rules` with the upgrade deposits of `fork`, whose gas is on top of the block's own if `adds_gas`."""
    deposits = load_upgrade_deposits(fork)
    return replace(
        rules,
        upgrade_deposits=deposits,
        upgrade_transactions=tuple(encode_deposit(deposit) for deposit in deposits),
        upgrade_gas=sum(deposit.gas_limit for deposit in deposits) if adds_gas else 0,
    )


def load_upgrade_deposits(fork: Fork) -> tuple[DepositTransaction, ...]:
    """Reads the package data of a fork that has upgrade deposits."""
    rows = json.loads(files(__package__).joinpath("data", f"{fork.label}.json").read_bytes())
    return tuple(
        DepositTransaction(
            source_hash=upgrade_source_hash(intent),
            sender=bytes.fromhex(sender),
            to=None if target is None else bytes.fromhex(target),
            mint=0,
            value=0,
            gas_limit=gas_limit,
            is_system_transaction=False,
            data=bytes.fromhex(data),
        )
        for intent, sender, target, gas_limit, data in rows
    )
