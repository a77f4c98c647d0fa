"""What the pipeline says and what it asks for (in the manner of h11: it does no IO, the driver answers).

A *request* is answered by `Pipeline.receive`; a *notice* needs no answer. `Idle` means: nothing to do until L1 grows.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, TypeVar

from trinode.derive.drops import DropReason
from trinode.derive.errors import ResetRequired
from trinode.protocol.block import L1Block
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.l2_block import L2Block, L2BlockRef

# ---- requests ----


@dataclass(frozen=True, slots=True)
class NeedL1Block:
    """The canonical L1 block of this number; answered with `L1Block`, or None if L1 has none yet."""

    number: int


@dataclass(frozen=True, slots=True)
class NeedL1BlockByHash:
    """This L1 block, canonical or not; answered with `L1Block`, or None if no endpoint has it any more."""

    id: BlockId


@dataclass(frozen=True, slots=True)
class NeedBlobs:
    """The blobs (131,072 bytes each) of these versioned hashes, in this order; None if they are gone with their block."""

    block: BlockId
    timestamp: int
    hashes: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class NeedL2Block:
    """This L2 block of the engine; answered with `L2Block`, or None if the engine does not have it."""

    hash: Hash32


@dataclass(frozen=True, slots=True)
class NeedL2BlockByNumber:
    """The canonical L2 block of this number; answered with `L2Block`, or None if there is none."""

    number: int


@dataclass(frozen=True, slots=True)
class DerivedAttributes:
    """Attributes of the next L2 block; answered with the `L2Block` they made, or with `PayloadInvalid`.

    `concluding`: the block becomes safe with it, not only pending safe. `deposits_only`: it replaces an invalid block (Holocene).
    """

    attributes: PayloadAttributes
    parent: L2BlockRef
    l1_origin: BlockId
    sequence_number: int
    derived_from: BlockId
    derived_from_timestamp: int
    concluding: bool
    deposits_only: bool = False

    @property
    def number(self) -> int:
        """Number of the block that the attributes make."""
        return self.parent.number + 1


@dataclass(frozen=True, slots=True)
class PayloadInvalid:
    """The engine's answer to `DerivedAttributes` that make no valid block; `reason` is for people."""

    reason: str


# ---- notices ----


@dataclass(frozen=True, slots=True)
class Idle:
    """All L1 data is used up: ask again when L1 has block `next_l1_number`."""

    next_l1_number: int


@dataclass(frozen=True, slots=True)
class HeadsFound:
    """A reset found these heads on the canonical L1 chain; derivation goes on after `safe`."""

    unsafe: L2BlockRef
    safe: L2BlockRef
    finalized: L2BlockRef
    l1_base: BlockId


@dataclass(frozen=True, slots=True)
class CheckpointUsed:
    """A reset goes on at a checkpoint: the data of L1 block `origin` and before is used up, and `safe` came of it."""

    origin: BlockId
    safe: BlockId


@dataclass(frozen=True, slots=True)
class CheckpointIgnored:
    """A reset cannot use the checkpoint at L1 block `origin`; `reason` is one line for people."""

    origin: BlockId
    reason: str


class Subject(Enum):
    """What a notice is about."""

    TRANSACTION = "transaction"
    BLOB = "blob"
    FRAME = "frame"
    CHANNEL = "channel"
    BATCH = "batch"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A piece of data came to nothing. `origin`: the L1 block at which the pipeline stands; `name`: which piece."""

    reason: DropReason
    subject: Subject
    name: str
    origin: BlockId
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Progressed:
    """A piece of data went on to the next stage; only noted when the pipeline observes (`explain`)."""

    what: str
    subject: Subject
    name: str
    origin: BlockId
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """A system config update of L1 block `origin` was malformed, and is ignored."""

    origin: BlockId
    detail: str


Request: TypeAlias = NeedL1Block | NeedL1BlockByHash | NeedBlobs | NeedL2Block | NeedL2BlockByNumber | DerivedAttributes
Notice: TypeAlias = Idle | HeadsFound | CheckpointUsed | CheckpointIgnored | Dropped | Progressed | ConfigProblem
Event: TypeAlias = Request | Notice
Answer: TypeAlias = L1Block | L2Block | tuple[bytes, ...] | PayloadInvalid | None

T = TypeVar("T")
Steps: TypeAlias = Generator[Event, Answer, T]
"""A stage's work: a generator that yields requests (it is sent the answer) and notices, and returns a T."""


class Signal(Enum):
    """What a stage returns when it has no item to give."""

    EXHAUSTED = "this L1 block holds nothing more"
    AGAIN = "work was done without result: ask again"


# ---- requests as typed sub-generators ----


def l1_block_by_number(number: int) -> Steps[L1Block | None]:
    """Ask for the canonical L1 block `number`; None if L1 has none yet."""
    answer = yield NeedL1Block(number)
    if answer is None:
        return None
    assert isinstance(answer, L1Block) and answer.header.number == number, f"wrong answer for L1 block {number}"
    return answer


def l1_block_by_hash(id: BlockId) -> Steps[L1Block]:
    """Ask for an L1 block. Raises ResetRequired where it is gone: only a reorg makes it so."""
    answer = yield NeedL1BlockByHash(id)
    if answer is None:
        raise ResetRequired(f"L1 block {id.number} {id.hash.hex()} is gone")
    assert isinstance(answer, L1Block) and answer.hash == id.hash, f"wrong answer for L1 block {id}"
    return answer


def blobs(block: BlockId, timestamp: int, hashes: tuple[Hash32, ...]) -> Steps[tuple[bytes, ...]]:
    """Ask for blobs, verified by who fetched them. Raises ResetRequired where they are gone with their L1 block."""
    answer = yield NeedBlobs(block, timestamp, hashes)
    if answer is None:
        raise ResetRequired(f"blobs of L1 block {block.number} {block.hash.hex()} are gone")
    assert isinstance(answer, tuple) and len(answer) == len(hashes), f"wrong number of blobs for L1 block {block}"
    return answer


def l2_block(hash: Hash32) -> Steps[L2Block | None]:
    """Ask the engine for an L2 block by hash."""
    answer = yield NeedL2Block(hash)
    assert answer is None or (isinstance(answer, L2Block) and answer.ref.hash == hash), f"wrong answer for L2 block {hash.hex()}"
    return answer


def l2_block_by_number(number: int) -> Steps[L2Block | None]:
    """Ask the engine for the canonical L2 block of a number."""
    answer = yield NeedL2BlockByNumber(number)
    assert answer is None or (isinstance(answer, L2Block) and answer.ref.number == number), f"wrong answer for L2 block {number}"
    return answer
