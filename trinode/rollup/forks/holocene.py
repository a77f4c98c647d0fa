"""Holocene: strict ordering, deposits-only replacement, EIP-1559 parameters (specification: holocene, derivation)."""

from __future__ import annotations

from dataclasses import replace

from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    return replace(rules, strict_ordering=True, eip1559_params=True)
