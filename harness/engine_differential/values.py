"""Random numbers and accounts that are more likely than others to matter to the EVM."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from trinode.protocol.types import Address

WORD = 2**256
_SMALL = (0, 0, 1, 1, 2, 3, 4, 7, 8, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257, 1023, 1024)
_LARGE = (
    *(2**bits for bits in (15, 16, 24, 31, 32, 63, 64, 127, 128, 159, 160, 254, 255)),
    *(2**bits - 1 for bits in (16, 31, 32, 63, 64, 128, 160, 255, 256)),
    *(2**256 - small for small in (2, 3, 31, 32, 33, 128, 255, 256)),
    2**255 + 1,
)


def random_word(random: Random) -> int:
    """A uint256: mostly small, or at an edge, or any."""
    kind = random.random()
    if kind < 0.6:
        return random.choice(_SMALL)
    if kind < 0.85:
        return random.choice(_LARGE)
    return random.getrandbits(random.choice((8, 16, 64, 160, 256)))


@dataclass(slots=True)
class Accounts:
    """The accounts that programs and transactions know of. Only grows: what is created joins `contracts`.

    `precompiles` lacks those that the other side is known to have wrong.
    """

    users: tuple[Address, ...]
    contracts: list[Address] = field(default_factory=list)
    precompiles: tuple[Address, ...] = ()
    predeploys: tuple[Address, ...] = ()

    def any(self, random: Random) -> Address:
        """An account, mostly a contract, now and then one that nobody has heard of."""
        kind = random.random()
        if kind < 0.55 and self.contracts:
            return self.contract(random)
        if kind < 0.75:
            return random.choice(self.users)
        if kind < 0.85:
            return random.choice(self.predeploys)
        if kind < 0.93:
            return random.choice(self.precompiles)
        # Few of them, so that one that came to be by a transfer is met again.
        return b"\x99" * 19 + bytes([random.randrange(64)])

    def contract(self, random: Random) -> Address:
        """A contract; the latest ones are likelier."""
        if random.random() < 0.3:
            return random.choice(self.contracts[-8:])
        return random.choice(self.contracts)
