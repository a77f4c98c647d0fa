"""What the batcher asks of L1, and in which ways L1 refuses a transaction."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple, Protocol

from trinode.protocol.types import Address, BlockId, Hash32


class L1Head(NamedTuple):
    """L1's newest block. `timestamp` in seconds, fees in wei per gas; `excess_blob_gas` is None before L1 has blobs."""

    id: BlockId
    timestamp: int
    base_fee: int
    excess_blob_gas: int | None

    @property
    def number(self) -> int:
        """The block's number."""
        return self.id.number


class L1Unavailable(Exception):
    """No L1 endpoint gave an answer; the message names the last one and what was asked."""


class Refusal(Enum):
    """Why L1 does not take a transaction."""

    ALREADY_KNOWN = auto()
    """It has it already."""
    NONCE_TOO_LOW = auto()
    """A transaction with this nonce is in a block."""
    NONCE_TOO_HIGH = auto()
    """The one before it is missing."""
    REPLACEMENT_UNDERPRICED = auto()
    """There is another one with its nonce that pays nearly as much or more."""
    UNDERPRICED = auto()
    """It pays too little for now."""
    INSUFFICIENT_FUNDS = auto()
    ALREADY_RESERVED = auto()
    """The account has transactions of the other kind (with blobs, or without) waiting."""
    SIDECAR_VERSION = auto()
    """The blobs' proofs are in the form of another L1 fork."""
    BUSY = auto()
    """Too many transactions are waiting, or too many requests were made."""
    OTHER = auto()


class TransactionRefused(Exception):
    """L1 does not take the transaction; the message is the endpoint's."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


class L1Sender(Protocol):
    """Each method raises L1Unavailable."""

    async def chain_id(self) -> int: ...

    async def head(self) -> L1Head: ...

    async def nonce(self, address: Address, *, pending: bool) -> int:
        """The account's next nonce: after the newest block, or after what waits in the pool too."""

    async def tip(self) -> int:
        """What L1 suggests as priority fee, wei per gas."""

    async def send(self, raw: bytes) -> None:
        """Send a transaction in its network encoding. Raises TransactionRefused."""

    async def inclusion(self, transaction_hash: Hash32) -> BlockId | None:
        """The canonical L1 block that the transaction is in."""
