"""Bedrock: the first rules of derivation (specification: derivation)."""

from __future__ import annotations

from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    return rules  # the defaults of Rules
