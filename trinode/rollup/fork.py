"""The network upgrades of the OP Stack, in order (specification: superchain-upgrades)."""

from __future__ import annotations

from enum import IntEnum


class Fork(IntEnum):
    """A network upgrade; later upgrades compare greater and keep what earlier ones brought.

    The Pectra blob schedule is not one of them: it is optional, in no order, and delays something instead of adding it.
    """

    BEDROCK = 0
    REGOLITH = 1
    CANYON = 2
    DELTA = 3
    ECOTONE = 4
    FJORD = 5
    GRANITE = 6
    HOLOCENE = 7
    ISTHMUS = 8
    JOVIAN = 9
    KARST = 10
    LAGOON = 11

    @property
    def label(self) -> str:
        """The name in lower case, as in files and messages."""
        return self.name.lower()

    @property
    def time_field(self) -> str:
        """The field of rollup.json that holds the activation time. Bedrock has none: it is always active."""
        return f"{self.label}_time"


SCHEDULED_FORKS = tuple(fork for fork in Fork if fork is not Fork.BEDROCK)
"""The forks that a rollup config gives a time, in order."""
