"""Fjord: brotli, larger channels, a constant sequencer drift, three upgrade deposits.

Specification: fjord, derivation.
"""

from __future__ import annotations

from dataclasses import replace

from trinode.rollup.fork import Fork
from trinode.rollup.forks.bundle import with_upgrade_deposits
from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    rules = replace(
        rules,
        brotli=True,
        max_rlp_bytes_per_channel=100_000_000,
        max_channel_bank_size=1_000_000_000,
        sequencer_drift=1800,
    )
    return with_upgrade_deposits(rules, Fork.FJORD)
