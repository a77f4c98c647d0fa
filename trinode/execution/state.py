"""The state as execution sees it: what is read, one call for each thing, and what has changed, once for a block.

Everything that keeps states (in memory, in a database, as a witness) is a `StateReader`; everything that executes
gives back `StateChanges`. Both sides of this boundary are plain values that pickle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from trinode.protocol.types import Address, Hash32

EMPTY_CODE_HASH: Hash32 = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
"""Keccak-256 of nothing: the code hash of an account without code."""


BLOCK_HASHES = 256
"""How far back BLOCKHASH sees (yellow paper, appendix H): from a block that is executed, the 256 before it."""


class Account(NamedTuple):
    """An account without its storage. `balance` in wei."""

    nonce: int
    balance: int
    code_hash: Hash32


EMPTY_ACCOUNT = Account(0, 0, EMPTY_CODE_HASH)
"""What an account that does not exist looks like to the EVM (EIP-161)."""


class StateReader(Protocol):
    """The state after one block. All methods raise MissingState if they cannot know the answer."""

    def account(self, address: Address) -> Account | None:
        """The account at `address` (20 bytes); None: there is none."""

    def storage(self, address: Address, slot: int) -> int:
        """The value (uint256) of a storage slot (uint256); 0 where nothing was written, or where there is no account."""

    def has_storage(self, address: Address) -> bool:
        """Whether any slot of the account is not 0 (EIP-7610 asks for it when a contract is created)."""

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash."""

    def block_hash(self, number: int) -> Hash32:
        """The hash of the ancestor with that number: the block of this state, or one of the 256 before it.

        The block after this one needs 255 of them; a call that is executed as if it were in the block of this state sees one more.
        """


@dataclass(slots=True)
class StateChanges:
    """What a block changed: applied to the state before it, this gives the state after it.

    `accounts`: the whole new account, None where it is deleted (its storage with it). `storage`: new values by slot, 0 where it is cleared.
    `wiped`: accounts whose storage of before the block is all gone (self-destructed, and maybe made again; `storage` comes on top).
    `codes`: codes that accounts were given, by hash. Only what differs from the state before is in here.
    """

    accounts: dict[Address, Account | None] = field(default_factory=dict)
    storage: dict[Address, dict[int, int]] = field(default_factory=dict)
    wiped: set[Address] = field(default_factory=set)
    codes: dict[Hash32, bytes] = field(default_factory=dict)
