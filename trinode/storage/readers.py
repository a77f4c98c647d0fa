"""States and trie nodes, read from a view of the database.

A view is a snapshot wherever a reader may outlive the head that it was made for: it shows the state of its block
whatever happens to the chain meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import merge
from itertools import groupby
from operator import itemgetter

from trinode.execution.errors import MissingState
from trinode.execution.state import BLOCK_HASHES, Account
from trinode.execution.trie.nodes import NodeReader, Owner, Path
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, Hash32
from trinode.storage.database import View
from trinode.storage.tables import (
    ACCOUNT_KEY_SIZE,
    ACCOUNTS,
    CANONICAL,
    CODES,
    NUMBER_SIZE,
    REPLACED,
    SLOTS,
    decode_account,
    node_key,
    number_bytes,
    slot_key,
)

_REMEMBERED = 20_000
"""Accounts and slots: about 5 MB."""


class HeadState:
    """The state of the block `number`, the head in `view` (a `StateReader`)."""

    __slots__ = ("_number", "view")

    def __init__(self, view: View, number: int) -> None:
        self.view = view
        self._number = number

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none."""
        value = self._value(ACCOUNTS + address)
        return decode_account(value) if value else None

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot; 0: there is none."""
        value = self._value(slot_key(address, slot))
        return int.from_bytes(value, "big") if value else 0

    def has_storage(self, address: Address) -> bool:
        """Whether any slot of the account is not 0."""
        return next(self.entries(SLOTS + address), None) is not None

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash. Raises MissingState."""
        code = self.view.get(CODES + code_hash)
        if code is None:
            raise MissingState(f"there is no code 0x{code_hash.hex()}")
        return code

    def block_hash(self, number: int) -> Hash32:
        """The hash of the canonical block `number`, at most 256 before the block of this state. Raises MissingState."""
        found = self.view.get(CANONICAL + number_bytes(number)) if self._number - BLOCK_HASHES <= number <= self._number else None
        if found is None:
            raise MissingState(f"the hash of block {number} is not known in the state of block {self._number}")
        return found

    def addresses(self) -> Iterator[Address]:
        """Of all accounts, in order. Leaves the cache to others."""
        return (key[1:] for key, _ in self.entries(ACCOUNTS, fill_cache=False))

    def slots(self, address: Address) -> Iterator[tuple[bytes, bytes]]:
        """All slots of an account (32 bytes each) and their values without leading zeros, in order. Leaves the cache to others."""
        return ((key[ACCOUNT_KEY_SIZE:], value) for key, value in self.entries(SLOTS + address, fill_cache=False))

    def entries(self, prefix: bytes, *, fill_cache: bool = True) -> Iterator[tuple[bytes, bytes]]:
        """The accounts or slots whose keys begin with `prefix`, as they are stored, in order of their keys."""
        return self.view.entries(prefix, fill_cache=fill_cache)

    def _value(self, key: bytes) -> bytes | None:
        return self.view.get(key)


class RememberedState(HeadState):
    """The state of a head that many read, on many threads, with what was read of it last: each look into LevelDB gives the interpreter's lock
    away, and beside a busy thread gets it back late.
    """

    __slots__ = ("__weakref__", "_values")

    def __init__(self, view: View, number: int) -> None:
        super().__init__(view, number)
        self._values: dict[bytes, bytes | None] = {}

    def _value(self, key: bytes) -> bytes | None:
        try:
            return self._values[key]
        except KeyError:
            if len(self._values) >= _REMEMBERED:
                self._values.clear()
            value = self._values[key] = self.view.get(key)
            return value

    def forget(self) -> None:
        """The database is closed: from now on it raises MissingState, as all do that read from it."""
        self._values = {}


class PastState(HeadState):
    """The state of the block `number`, an ancestor of the head in `view` (a `StateReader`). For one thread at a time."""

    __slots__ = ("_after",)

    def __init__(self, view: View, number: int) -> None:
        super().__init__(view, number)
        self._after = number_bytes(number + 1)

    def entries(self, prefix: bytes, *, fill_cache: bool = True) -> Iterator[tuple[bytes, bytes]]:
        """As the head's, with what was replaced since in place of what is there now."""
        ordered = merge(self._replaced(prefix, fill_cache), self.view.entries(prefix, fill_cache=fill_cache), key=itemgetter(0))
        for _, values in groupby(ordered, itemgetter(0)):
            first = next(values)  # of equal keys, merge gives that of its first argument first
            if first[1]:
                yield first

    def _replaced(self, prefix: bytes, fill_cache: bool) -> Iterator[tuple[bytes, bytes]]:
        """The first value of each key that was replaced after the block; empty where there was nothing."""
        since = (
            (key[1:-NUMBER_SIZE], value)
            for key, value in self.view.entries(REPLACED + prefix, fill_cache=fill_cache)
            if key[-NUMBER_SIZE:] >= self._after
        )
        for _, values in groupby(since, itemgetter(0)):
            yield next(values)

    def _value(self, key: bytes) -> bytes | None:
        place = REPLACED + key
        found = self.view.first_from(place + self._after)
        return found[1] if found is not None and found[0].startswith(place) else self.view.get(key)


class StoredNodes:
    """The trie nodes of the head in `view` (a `NodeReader`)."""

    __slots__ = ("view",)

    def __init__(self, view: View) -> None:
        self.view = view

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of the node at that place. Raises MissingState if it is not there, or another one is: the head has moved."""
        rlp = self.view.get(node_key(owner, path))
        if rlp is None or keccak256(rlp) != node_hash:
            what = "no node" if rlp is None else "a node of another state"
            whose = f"storage trie 0x{owner.hex()}" if owner else "account trie"
            raise MissingState(f"{what} at path {path!r} of {whose}, where 0x{node_hash.hex()} is asked for")
        return rlp


class ChangedNodes:
    """The trie nodes of another state than that of `base`, which differs by those that `changed` has (a `NodeReader`)."""

    __slots__ = ("_base", "_changed")

    def __init__(self, base: NodeReader, changed: Mapping[tuple[Owner, Path], bytes | None]) -> None:
        self._base = base
        self._changed = changed

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of the node at that place. Raises MissingState."""
        rlp = self._changed.get((owner, path))
        return self._base.node(owner, path, node_hash) if rlp is None or keccak256(rlp) != node_hash else rlp
