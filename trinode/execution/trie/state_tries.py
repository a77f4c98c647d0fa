"""The world state as tries: the account trie, and below each account with storage a storage trie (yellow paper, section 4.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from trinode.execution.state import Account, StateChanges
from trinode.execution.trie.node_loader import NodeCount
from trinode.execution.trie.nodes import Leaf, MalformedNode, NodeReader, TrieNodes
from trinode.execution.trie.trie import Trie
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import RlpDecodingError, decode, decode_list, encode_int, encode_list, to_fixed_bytes, to_int
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address, Hash32

_ACCOUNT_TRIE = b""


class StorageProof(NamedTuple):
    """A slot, its value, and RLP of the nodes of the storage trie towards it."""

    slot: int
    value: int
    nodes: list[bytes]


class AccountProof(NamedTuple):
    """What eth_getProof answers: an account (None: there is none), its storage root, RLP of the nodes of the account
    trie towards it, and the slots that were asked for, in their order.
    """

    account: Account | None
    storage_root: Hash32
    nodes: list[bytes]
    storage: list[StorageProof]


class AccountLeaf(NamedTuple):
    """An account where it stands in the account trie: under the hash of its address."""

    key: Hash32
    account: Account
    storage_root: Hash32


class _Entry:
    """An account as its leaf says, and its storage trie: the note of the leaf."""

    __slots__ = ("account", "storage")

    def __init__(self, account: Account, storage: Trie) -> None:
        self.account = account
        self.storage = storage


@lru_cache(maxsize=1 << 16)
def account_key(address: Address) -> Hash32:
    """The key of an account in the account trie, and the owner of its storage trie."""
    return keccak256(address)


@lru_cache(maxsize=1 << 16)
def storage_key(slot: int) -> Hash32:
    """The key of a slot in a storage trie."""
    return keccak256(slot.to_bytes(32, "big"))


class StateTries:
    """The state with that root. It stays as it is whatever is made from it; versions share what they can, so that one
    can be kept for each block.

    All methods raise MissingState where a node is needed that the reader does not have.

    `lists_deleted_tries`: whether `updated` reads all of a storage trie that is deleted, to tell where its nodes stood. A reader
    that finds nodes by their hash alone has no use for that.
    """

    def __init__(self, reader: NodeReader, root: Hash32, *, lists_deleted_tries: bool = True) -> None:
        self._open(Trie(reader, _ACCOUNT_TRIE, root, count := NodeCount()), reader, count, lists_deleted_tries)

    def _open(self, accounts: Trie, reader: NodeReader, count: NodeCount, lists_deleted_tries: bool) -> None:
        self.root = accounts.root
        self._accounts = accounts
        self._reader = reader
        self._count = count
        self._lists_deleted_tries = lists_deleted_tries

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none."""
        entry = self._entry(address)
        return None if entry is None else entry.account

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot; 0 where nothing was written, or where there is no account."""
        entry = self._entry(address)
        return 0 if entry is None else _slot_value(entry.storage.get(storage_key(slot)))

    def storage_root(self, address: Address) -> Hash32:
        """The root of an account's storage trie; that of the empty trie where there is no account."""
        entry = self._entry(address)
        return EMPTY_TRIE_ROOT if entry is None else entry.storage.root

    def account_proof(self, address: Address, slots: Sequence[int]) -> AccountProof:
        """An account and some of its slots, with the nodes that prove them (EIP-1186)."""
        entry = self._entry(address)
        nodes = self._accounts.proof(account_key(address))
        if entry is None:
            return AccountProof(None, EMPTY_TRIE_ROOT, nodes, [StorageProof(slot, 0, []) for slot in slots])
        trie = entry.storage
        storage = [StorageProof(slot, _slot_value(trie.get(storage_key(slot))), trie.proof(storage_key(slot))) for slot in slots]
        return AccountProof(entry.account, trie.root, nodes, storage)

    def accounts_from(self, start: bytes) -> Iterator[AccountLeaf]:
        """The accounts whose keys are `start` or come after it, in order of their keys."""
        for leaf in self._accounts.leaves_from(start):
            if type(leaf.note) is _Entry:
                yield AccountLeaf(leaf.key, leaf.note.account, leaf.note.storage.root)
            else:
                yield AccountLeaf(leaf.key, *_decode_account(leaf.value))

    def slots_from(self, owner: Hash32, start: bytes) -> Iterator[tuple[Hash32, int]]:
        """Keys and values of the slots, from the key `start` on and in order of the keys, of the account whose key is `owner`."""
        leaf = self._accounts.leaf(owner)
        if leaf is None:
            return
        trie = leaf.note.storage if type(leaf.note) is _Entry else self._storage_trie(owner, _decode_account(leaf.value)[1])
        for slot in trie.leaves_from(start):
            yield slot.key, _slot_value(slot.value)

    def updated(self, changes: StateChanges) -> tuple[StateTries, TrieNodes]:
        """The state after `changes`, and what has to be stored for it (as `Trie.updated`, of all tries).

        Raises ValueError if storage is to be written where there is no account.
        """
        leaves: dict[Hash32, Leaf | None] = {}
        nodes: TrieNodes = {}
        for address in sorted(changes.accounts.keys() | changes.storage.keys() | changes.wiped):
            before = self._entry(address)
            after = changes.accounts.get(address, before.account if before else None)
            key = account_key(address)
            storage = before.storage if before else self._storage_trie(key, EMPTY_TRIE_ROOT)
            if storage.root != EMPTY_TRIE_ROOT and (after is None or address in changes.wiped):
                if self._lists_deleted_tries:
                    nodes.update(((key, path), None) for path in storage.stored_paths())
                storage = self._storage_trie(key, EMPTY_TRIE_ROOT)
            if after is None:
                if any(changes.storage.get(address, {}).values()):
                    raise ValueError(f"storage is written at 0x{address.hex()}, where there is no account")
                leaves[key] = None
                continue
            if slots := changes.storage.get(address):
                storage, stored = storage.updated({storage_key(slot): encode_int(value) if value else b"" for slot, value in slots.items()})
                nodes.update(stored)
            leaves[key] = Leaf(key, _encode_account(after, storage.root), _Entry(after, storage))
        accounts, stored = self._accounts.with_leaves(leaves)
        nodes.update(stored)
        tries = StateTries.__new__(StateTries)
        tries._open(accounts, self._reader, self._count, self._lists_deleted_tries)
        return tries, nodes

    def loaded_nodes(self) -> int:
        """Roughly how many decoded nodes this state and those that it shares nodes with hold."""
        return self._count.nodes

    def trimmed(self) -> StateTries:
        """The same state with nothing held: all nodes are read again, so the reader must have them by now."""
        return StateTries(self._reader, self.root, lists_deleted_tries=self._lists_deleted_tries)

    def _entry(self, address: Address) -> _Entry | None:
        leaf = self._accounts.leaf(account_key(address))
        if leaf is None:
            return None
        if type(leaf.note) is not _Entry:
            account, storage_root = _decode_account(leaf.value)
            leaf.note = _Entry(account, self._storage_trie(leaf.key, storage_root))
        assert isinstance(leaf.note, _Entry)
        return leaf.note

    def _storage_trie(self, owner: Hash32, root: Hash32) -> Trie:
        return Trie(self._reader, owner, root, self._count)


def _encode_account(account: Account, storage_root: Hash32) -> bytes:
    return encode_list((encode_int(account.nonce), encode_int(account.balance), b"\xa0" + storage_root, b"\xa0" + account.code_hash))


def _decode_account(value: bytes) -> tuple[Account, Hash32]:
    """The account and its storage root. Raises MalformedNode."""
    try:
        fields = decode_list(value)
        if len(fields) != 4:
            raise MalformedNode(f"an account of {len(fields)} fields")
        account = Account(to_int(fields[0], 8), to_int(fields[1], 32), to_fixed_bytes(fields[3], 32))
        return account, to_fixed_bytes(fields[2], 32)
    except RlpDecodingError as error:
        raise MalformedNode(f"malformed account: {error}") from error


def _slot_value(value: bytes) -> int:
    """The number that is the value of a leaf of a storage trie, 0 if there is no leaf. Raises MalformedNode."""
    if not value:
        return 0
    try:
        return to_int(decode(value), 32)
    except RlpDecodingError as error:
        raise MalformedNode(f"malformed storage value: {error}") from error
