"""A store from a snapshot file, whose state is only believed once its root, made from every account and slot, is that of
the header that the operator asked for.

The tries need accounts and slots in order of the hashes of their keys. A second database, beside the store to be, puts
them in that order; it is thrown away afterwards. Memory does not grow with the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import O_RDONLY, fsync
from os import close as close_file
from os import open as open_file
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO

from trinode.execution.state import BLOCK_HASHES, EMPTY_CODE_HASH, Account
from trinode.execution.trie.nodes import Owner
from trinode.execution.trie.nodes import Path as NodePath
from trinode.execution.trie.state_tries import account_key
from trinode.protocol.errors import DecodingError
from trinode.protocol.header import Header, decode_header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import decode_list, encode_bytes, encode_int, encode_list, to_bytes, to_list
from trinode.protocol.trie import ordered_trie_root
from trinode.protocol.types import BlockId, Hash32
from trinode.storage import identity, tables
from trinode.storage.blocks import put_block
from trinode.storage.database import BulkWriter, Database
from trinode.storage.errors import SnapshotError, StoreExists, WrongChain
from trinode.storage.identity import ChainIdentity
from trinode.storage.snapshot_file import ACCOUNTS, BLOCKS, CODES, END, HEAD, SLOTS, read_frames
from trinode.storage.trie_builder import build_trie

_PROGRESS_EVERY = 10_000

Progress = Callable[[str, int], None]


def import_snapshot(
    file: Path,
    path: Path,
    chain: ChainIdentity,
    block_hash: Hash32,
    *,
    history: int | None,
    progress: Progress = lambda what, done: None,
) -> BlockId:
    """Makes a store in the folder `path` (missing or empty) whose head is the block with that hash, from a snapshot of it.

    `block_hash` must come from somebody who is trusted; the file may come from anyone. `history` as for `Store.create`.
    `progress` is told how many bytes of the file are read, and then how many accounts are in the trie. The folder is
    made next to its place and moved there at the end, so that nothing half-made stays behind. Raises SnapshotError,
    UnknownFormat, WrongChain, StoreExists, StoreLocked, OSError.
    """
    identity.check_depth(history)
    if path.exists() and any(path.iterdir()):
        raise StoreExists(f"{path}: this folder is not empty. Import into another one.")
    work = path.with_name(path.name + ".importing")
    _remove_leftover(work)
    work.mkdir(parents=True)
    try:
        with file.open("rb") as source:
            made = _Import(file, work, chain, block_hash, progress)
            try:
                block = made.run(source, history)
            finally:
                made.close()
        if path.exists():
            path.rmdir()
        (work / "store").rename(path)
        _sync_folder(path.parent)
    finally:
        rmtree(work)
    return block


def _remove_leftover(work: Path) -> None:
    """Removes what a killed import left. Raises StoreLocked if one is running."""
    if work.exists():
        Database(work / "sorted", create=True).close()
        rmtree(work)


def _sync_folder(folder: Path) -> None:
    descriptor = open_file(folder, O_RDONLY)
    try:
        fsync(descriptor)
    finally:
        close_file(descriptor)


def _account_leaf(account: Account, storage_root: Hash32) -> bytes:
    """What the account trie holds for an account (yellow paper, section 4.1)."""
    return encode_list((encode_int(account.nonce), encode_int(account.balance), b"\xa0" + storage_root, b"\xa0" + account.code_hash))


class _Import:
    """One import: the store to be, and its accounts and slots in order of their hashes."""

    def __init__(self, file: Path, work: Path, chain: ChainIdentity, block_hash: Hash32, progress: Progress) -> None:
        self._name = str(file)
        self._chain = chain
        self._block_hash = block_hash
        self._progress = progress
        # Made first: its lock is what a second import sees.
        self._sorted = Database(work / "sorted", create=True)
        self._store = Database(work / "store", create=True)
        self._write = BulkWriter(self._store)
        self._sort = BulkWriter(self._sorted)
        self._header: Header | None = None
        self._awaited = block_hash
        self._blocks = 0
        self._counts = {ACCOUNTS: 0, SLOTS: 0}

    def close(self) -> None:
        self._store.close()
        self._sorted.close()

    def run(self, source: BinaryIO, history: int | None) -> BlockId:
        """Reads everything, makes the tries, and makes it a store if all is as it must be."""
        frames = read_frames(self._name, source)
        try:
            self._take_head(next(frames))
            for kind, strings in frames:
                self._take(kind, strings)
                self._progress("bytes", source.tell())
        except DecodingError as error:
            raise self._wrong(str(error)) from error
        self._write.flush()
        self._sort.flush()
        if self._header is None:
            raise self._wrong("it has no block")
        root = self._build()
        if root != self._header.state_root:
            raise self._wrong(f"its state has the root 0x{root.hex()}, and its block the root 0x{self._header.state_root.hex()}")
        self._write.flush()
        block = BlockId(self._header.number, self._block_hash)
        with self._store.batch(sync=True) as batch:
            identity.put_beginning(batch, self._chain, block, history)
        return block

    # ---- reading ----

    def _take_head(self, frame: tuple[int, list[bytes]]) -> None:
        kind, strings = frame
        if kind != HEAD or len(strings) != 3:
            raise self._wrong("it does not begin with what it is of")
        chain = ChainIdentity(int.from_bytes(strings[0], "big"), strings[1])
        if chain != self._chain:
            raise WrongChain(f"{self._name}: the snapshot is of {chain}, not of {self._chain}.")
        if strings[2] != self._block_hash:
            raise self._wrong(f"it is of block 0x{strings[2].hex()}, not of block 0x{self._block_hash.hex()}")

    def _take(self, kind: int, strings: list[bytes]) -> None:
        if kind == BLOCKS:
            for block in strings:
                self._take_block(block)
        elif kind == CODES:
            for code in strings:
                self._write.put(tables.CODES + keccak256(code), code)
        elif kind in (ACCOUNTS, SLOTS) and not len(strings) % 2:
            take = self._take_account if kind == ACCOUNTS else self._take_slot
            for place, value in zip(strings[::2], strings[1::2], strict=True):
                take(place, value)
            self._counts[kind] += len(strings) // 2
        elif kind != END or strings != [tables.number_bytes(count) for count in self._counts.values()]:
            raise self._wrong(f"a part of kind {kind} is not as it must be")

    def _take_block(self, block: bytes) -> None:
        """A header and its transactions: of the block that was asked for, then of its parent, and so on."""
        fields = decode_list(block)
        if len(fields) != 2 or self._blocks == BLOCK_HASHES:
            raise self._wrong("its blocks are not as they must be")
        header = decode_header(to_bytes(fields[0]))
        transactions = [to_bytes(raw) for raw in to_list(fields[1])]
        if header_hash(header) != self._awaited or ordered_trie_root(transactions) != header.transactions_root:
            raise self._wrong(f"its block {header.number} is not the one that block 0x{self._block_hash.hex()} comes from")
        with self._store.batch() as batch:
            put_block(batch, header, self._awaited, transactions, None)
        self._header = self._header or header
        self._awaited = header.parent_hash
        self._blocks += 1

    def _take_account(self, address: bytes, value: bytes) -> None:
        if len(address) != 20 or not value or tables.encode_account(tables.decode_account(value)) != value:
            raise self._wrong(f"the account 0x{address.hex()} is not as it must be")
        self._write.put(tables.ACCOUNTS + address, value)
        self._sort.put(tables.ACCOUNTS + account_key(address), value)

    def _take_slot(self, place: bytes, value: bytes) -> None:
        if len(place) != 52 or not 0 < len(value) <= 32 or not value[0]:
            raise self._wrong(f"the slot 0x{place.hex()} is not as it must be")
        self._write.put(tables.SLOTS + place, value)
        self._sort.put(tables.SLOTS + account_key(place[:20]) + keccak256(place[20:]), value)

    # ---- the tries ----

    def _build(self) -> Hash32:
        """Makes all tries from what was sorted. The state root."""
        slots = _Slots(self._sorted)
        built = 0

        def account_leaves() -> Iterator[tuple[Hash32, bytes]]:
            nonlocal built
            for key, value in self._sorted.entries(tables.ACCOUNTS, fill_cache=False):
                owner = key[1:]
                storage_root = build_trie(slots.of(owner), self._put_node(owner))
                account = tables.decode_account(value)
                if account.code_hash != EMPTY_CODE_HASH and self._store.get(tables.CODES + account.code_hash) is None:
                    raise self._wrong(f"the code 0x{account.code_hash.hex()} is missing")
                yield owner, _account_leaf(account, storage_root)
                built += 1
                if not built % _PROGRESS_EVERY:
                    self._progress("accounts", built)

        root = build_trie(account_leaves(), self._put_node(b""))
        if [built, slots.taken] != [*self._counts.values()]:
            raise self._wrong("it has accounts or slots twice, or slots of accounts that do not exist")
        self._progress("accounts", built)
        return root

    def _put_node(self, owner: Owner) -> Callable[[NodePath, bytes], None]:
        write = self._write
        return lambda path, rlp: write.put(tables.node_key(owner, path), rlp)

    def _wrong(self, what: str) -> SnapshotError:
        return SnapshotError(f"{self._name}: the snapshot cannot be used: {what}. Get another one.")


class _Slots:
    """Slots in order of their hashes, handed out account by account."""

    def __init__(self, database: Database) -> None:
        self._entries = database.entries(tables.SLOTS, fill_cache=False)
        self._next = next(self._entries, None)
        self.taken = 0

    def of(self, owner: Owner) -> Iterator[tuple[Hash32, bytes]]:
        """Leaves of the storage trie of `owner`. Owners must be asked for in order; slots of those in between are passed over."""
        prefix = tables.SLOTS + owner
        while self._next is not None and self._next[0] < prefix:
            self._next = next(self._entries, None)
        while self._next is not None and self._next[0].startswith(prefix):
            key, value = self._next
            yield key[33:], encode_bytes(value)
            self.taken += 1
            self._next = next(self._entries, None)
