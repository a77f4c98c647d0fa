"""Which blocks fill a gap, and which blocks that came are the right ones (specification: rollup-node-p2p, "payload_by_number": what to verify).

Two hashes are known: of the known head, below the gap, and of the highest missing block, from the block above it that its signature vouches for.
Each right block tells the hash of the one below it. So the blocks are proved from the top down, whatever order they come in, until they meet the
known head; then they can be used from the bottom up:

    head       ?         ?        top       trusted
    [ h ] <- [   ] <- [   ] <- [ t ] <- [ signed ]
               proved  <-------+

A block below the lowest proved one is held until its turn comes. What does not fit into memory is dropped, the highest first: its hash stays, and
it is fetched again when it is needed. A data structure: it knows no clock and asks nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from trinode.p2p.identity import PeerId
from trinode.p2p.sync.limits import FillLimits
from trinode.protocol.payload import PayloadEnvelope
from trinode.protocol.types import BlockId, Hash32

_PAYLOAD_OVERHEAD = 2048
"""Bytes of memory that a payload takes beside its transactions, roughly."""
_TRANSACTION_OVERHEAD = 64


@dataclass(frozen=True, slots=True)
class Gap:
    """Blocks that are missing. `head`: the known head, below them; `top`: the highest of them, which a trusted block has as its parent."""

    head: BlockId
    top: BlockId

    def __post_init__(self) -> None:
        assert self.top.number > self.head.number


class Stage(Enum):
    """NOTHING: no gap. TOO_LONG: derivation has to shorten it first. PROVING: blocks are fetched from the top down. PROVED: they meet the known
    head. OTHER_FORK: they do not; only L1 can tell which fork is right.
    """

    NOTHING = "nothing"
    TOO_LONG = "too long"
    PROVING = "proving"
    PROVED = "proved"
    OTHER_FORK = "other fork"


class Finding(NamedTuple):
    """What is known now of a block that a peer sent."""

    source: PeerId
    number: int
    is_right: bool


class _Link(NamedTuple):
    hash: Hash32
    parent_hash: Hash32


class _Held(NamedTuple):
    envelope: PayloadEnvelope
    size: int
    source: PeerId | None  # None: it is right, or was on the way to another top


class GapFill:
    """The blocks of one gap at a time, which may move while it is filled: `aim`."""

    def __init__(self, limits: FillLimits | None = None) -> None:
        self._limits = limits or FillLimits()
        self._gap: Gap | None = None  # None: nothing is filled
        self._is_too_long = False
        self._links: dict[int, _Link] = {}  # of the right blocks, from the top down without a hole
        self._lowest = BlockId(0, b"")  # the lowest block whose hash is known
        self._held: dict[int, _Held] = {}
        self._size = 0

    @property
    def stage(self) -> Stage:
        """How far it is."""
        if self._gap is None:
            return Stage.TOO_LONG if self._is_too_long else Stage.NOTHING
        if self._lowest.number > self._gap.head.number:
            return Stage.PROVING
        return Stage.PROVED if self._lowest == self._gap.head else Stage.OTHER_FORK

    @property
    def held(self) -> tuple[int, int]:
        """Payloads in memory, and their bytes, roughly."""
        return len(self._held), self._size

    @property
    def proved(self) -> int:
        """Number of blocks whose hash is proved."""
        return len(self._links)

    def aim(self, gap: Gap | None) -> list[Finding]:
        """Fills this gap from now on, with what is there already."""
        self._is_too_long = gap is not None and gap.top.number - gap.head.number > self._limits.longest
        if gap is None or self._is_too_long:
            self._gap = None
            self._links.clear()
            self._held.clear()
            self._size = 0
            return []
        previous, self._gap = self._gap, gap
        if previous is None or previous.top != gap.top:
            self._walk(gap)
        elif self._lowest.number < gap.head.number:
            self._lowest = BlockId(gap.head.number, self._links[gap.head.number + 1].parent_hash)
        if previous is None or previous != gap:
            for number in [number for number in self._links if not self._lowest.number < number <= gap.top.number]:
                del self._links[number]
            for number in [number for number in self._held if not gap.head.number < number <= gap.top.number]:
                self._drop(number)
        return self._prove()

    def wanted(self) -> list[int]:
        """Numbers of the blocks to ask for, the most urgent first."""
        gap, window = self._gap, self._limits.window
        if gap is None or self.stage is Stage.OTHER_FORK:
            return []
        if self.stage is Stage.PROVING:
            numbers = range(self._lowest.number, max(gap.head.number, self._lowest.number - window), -1)
        else:
            numbers = range(gap.head.number + 1, min(gap.top.number, gap.head.number + window) + 1)
        missing = [number for number in numbers if number not in self._held]
        ahead = sum(self._held[number].size for number in numbers if number in self._held)
        if 2 * ahead > self._limits.max_bytes:
            return missing[:1] if missing[:1] == [numbers[0]] else []
        return missing

    def arrived(self, envelope: PayloadEnvelope, source: PeerId) -> list[Finding]:
        """Takes a block that has the hash of its contents. What is known now of it, and of blocks that were held."""
        number, gap = envelope.payload.block_number, self._gap
        if gap is None or number in self._held or not gap.head.number < number <= gap.top.number:
            return []
        findings = []
        if number in self._links:
            is_right = envelope.payload.block_hash == self._links[number].hash
            findings.append(Finding(source, number, is_right))
            if is_right:
                self._hold(envelope, None)
        else:
            self._hold(envelope, source)
            findings += self._prove()
        self._make_room()
        return findings

    def next_on_head(self) -> PayloadEnvelope | None:
        """The block that follows the known head, once all are proved."""
        if self._gap is None or self.stage is not Stage.PROVED:
            return None
        held = self._held.get(self._gap.head.number + 1)
        return None if held is None else held.envelope

    def _walk(self, gap: Gap) -> None:
        """Follows what was proved, from another top."""
        lowest = gap.top
        while lowest.number > gap.head.number:
            link = self._links.get(lowest.number)
            if link is None or link.hash != lowest.hash:
                break
            lowest = BlockId(lowest.number - 1, link.parent_hash)
        self._lowest = lowest

    def _prove(self) -> list[Finding]:
        """Blocks that are held are compared with the hashes that are known, as far down as there are any."""
        assert self._gap is not None
        findings = []
        while self._lowest.number > self._gap.head.number:
            number = self._lowest.number
            held = self._held.get(number)
            if held is None:
                break
            is_right = held.envelope.payload.block_hash == self._lowest.hash
            if held.source is not None:
                findings.append(Finding(held.source, number, is_right))
            if not is_right:
                self._drop(number)
                self._distrust(held.source)
                break
            parent_hash = held.envelope.payload.parent_hash
            self._links[number] = _Link(self._lowest.hash, parent_hash)
            self._held[number] = held._replace(source=None)
            self._lowest = BlockId(number - 1, parent_hash)
        return findings

    def _distrust(self, source: PeerId | None) -> None:
        """Who sent a wrong block has likely sent more of its fork: others are asked for them at once."""
        if source is not None:
            for number in [number for number, held in self._held.items() if held.source == source]:
                self._drop(number)

    def _hold(self, envelope: PayloadEnvelope, source: PeerId | None) -> None:
        size = _size_of(envelope)
        self._held[envelope.payload.block_number] = _Held(envelope, size, source)
        self._size += size

    def _drop(self, number: int) -> None:
        self._size -= self._held.pop(number).size

    def _make_room(self) -> None:
        while self._size > self._limits.max_bytes and len(self._held) > 1:
            highest = max(self._held)
            self._drop(highest if highest > self._lowest.number else min(self._held))


def _size_of(envelope: PayloadEnvelope) -> int:
    return _PAYLOAD_OVERHEAD + sum(len(raw) + _TRANSACTION_OVERHEAD for raw in envelope.payload.transactions)
