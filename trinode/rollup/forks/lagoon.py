"""Lagoon: not scheduled on any chain, its rules not final, so that nothing of it is here (specification: lagoon).

It is known so that a rollup config with a time for it is understood, and a node can refuse to run past it.
"""

from __future__ import annotations

from trinode.rollup.rules import Rules


def apply(rules: Rules) -> Rules:
    return rules
