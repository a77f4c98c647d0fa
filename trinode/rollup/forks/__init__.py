"""The forks, one module each, deltas only: `apply` makes a fork's rules from those of the fork before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from trinode.rollup.fork import Fork
from trinode.rollup.forks import (
    bedrock,
    canyon,
    delta,
    ecotone,
    fjord,
    granite,
    holocene,
    isthmus,
    jovian,
    karst,
    lagoon,
    regolith,
)
from trinode.rollup.rules import Rules

_APPLY: dict[Fork, Callable[[Rules], Rules]] = {
    Fork.BEDROCK: bedrock.apply,
    Fork.REGOLITH: regolith.apply,
    Fork.CANYON: canyon.apply,
    Fork.DELTA: delta.apply,
    Fork.ECOTONE: ecotone.apply,
    Fork.FJORD: fjord.apply,
    Fork.GRANITE: granite.apply,
    Fork.HOLOCENE: holocene.apply,
    Fork.ISTHMUS: isthmus.apply,
    Fork.JOVIAN: jovian.apply,
    Fork.KARST: karst.apply,
    Fork.LAGOON: lagoon.apply,
}


@cache
def rules_of(fork: Fork) -> Rules:
    """The rules of `fork`: those of all forks up to it. Reads the package data of their upgrade deposits, once."""
    before = Rules() if fork is Fork.BEDROCK else rules_of(Fork(fork - 1))
    # The upgrade deposits are the fork's own, not kept by the next.
    return _APPLY[fork](replace(before, fork=fork, upgrade_deposits=(), upgrade_transactions=(), upgrade_gas=0))
