"""What a store says about itself, and what of it is checked when it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from trinode.execution.errors import MissingState
from trinode.protocol.header import Header, encode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import BlockId, Hash32
from trinode.storage.blocks import BlockReader
from trinode.storage.database import Batch, View
from trinode.storage.errors import CorruptStore, StoreMissing, UnknownFormat, WrongChain
from trinode.storage.readers import StoredNodes
from trinode.storage.tables import CHANGED_KEYS, number_bytes

FORMAT = b"trinode store 1"
"""Anything that changes what stands under which key gets another number."""

_FORMAT = b"mformat"
_CHAIN = b"mchain"
_HEAD = b"mhead"
_OLDEST = b"moldest"
_DEPTH = b"mdepth"
_LABEL = b"mlabel:"
_REMEDY = "Restore the folder, or remove it and import a snapshot."


class ChainIdentity(NamedTuple):
    """Which chain a store is of: its chain id and the hash of its rollup genesis block."""

    chain_id: int
    genesis_hash: Hash32

    def __str__(self) -> str:
        return f"chain {self.chain_id} with genesis 0x{self.genesis_hash.hex()}"


def put_beginning(batch: Batch, identity: ChainIdentity, first: BlockId, depth: int | None) -> None:
    """Says whose store it is, in which format, and that it begins with the state of block `first`."""
    batch.put(_FORMAT, FORMAT)
    batch.put(_CHAIN, identity.genesis_hash + identity.chain_id.to_bytes(32, "big"))
    put_depth(batch, depth)
    put_head(batch, first)
    put_oldest(batch, first.number)


def check_identity(path: Path, view: View, identity: ChainIdentity) -> None:
    """Raises StoreMissing, UnknownFormat, WrongChain."""
    found = view.get(_FORMAT)
    if found is None:
        raise StoreMissing(f"{path}: the database here holds no store. Make one in an empty folder.")
    if found != FORMAT:
        raise UnknownFormat(
            f"{path}: the store's format is {found.decode(errors='replace')!r}, and this version reads {FORMAT.decode()!r}. "
            "Use the version that wrote it, or export a snapshot with that one and import it here."
        )
    chain = view.get(_CHAIN) or b""
    stored = ChainIdentity(int.from_bytes(chain[32:], "big"), chain[:32])
    if stored != identity:
        raise WrongChain(f"{path}: the store is of {stored}, not of {identity}. Use another folder, or the options of that chain.")


def put_head(batch: Batch, block: BlockId) -> None:
    """Says which block is the head."""
    batch.put(_HEAD, number_bytes(block.number) + block.hash)


def read_head(view: View) -> BlockId:
    """The head. Raises CorruptStore if there is none."""
    value = view.get(_HEAD)
    if value is None or len(value) != 40:
        raise CorruptStore(f"the store has no head. {_REMEDY}")
    return BlockId(int.from_bytes(value[:8], "big"), value[8:])


def put_oldest(batch: Batch, number: int) -> None:
    """Says which is the first block whose state is retained."""
    batch.put(_OLDEST, number_bytes(number))


def read_oldest(view: View) -> int:
    """The number of the first block whose state is retained."""
    return int.from_bytes(view.get(_OLDEST) or b"", "big")


def check_depth(depth: int | None) -> None:
    """Raises ValueError if states cannot be kept for that many blocks before the head."""
    if depth is not None and depth < 1:
        raise ValueError(f"a history of {depth} blocks: it must be 1 at least")


def put_depth(batch: Batch, depth: int | None) -> None:
    """Says how many blocks before the head keep their states; None: all."""
    batch.put(_DEPTH, b"" if depth is None else number_bytes(depth))


def read_depth(view: View) -> int | None:
    """What `put_depth` said."""
    value = view.get(_DEPTH)
    return int.from_bytes(value, "big") if value else None


def put_label(batch: Batch, name: str, block_hash: Hash32) -> None:
    """Gives a block a name, such as `safe`."""
    batch.put(_LABEL + name.encode(), block_hash)


def read_label(view: View, name: str) -> Hash32 | None:
    """The block of that name; None: it was never given."""
    return view.get(_LABEL + name.encode())


def check_head(path: Path, view: View) -> Header:
    """The head's header, after a look at what must stand beside it. Raises CorruptStore."""
    head = read_head(view)
    blocks = BlockReader(view)
    header = blocks.header(head.hash)
    if header is None:
        raise CorruptStore(f"{path}: the header of the head, block {head.number}, is missing. {_REMEDY}")
    if header.number != head.number or keccak256(encode_header(header)) != head.hash:
        raise CorruptStore(f"{path}: the header of the head, block {head.number}, is another block's. {_REMEDY}")
    if blocks.canonical_hash(head.number) != head.hash:
        raise CorruptStore(f"{path}: the index names another block {head.number} than the head. {_REMEDY}")
    if head.number > read_oldest(view) and (view.get(CHANGED_KEYS + number_bytes(head.number)) or b"")[:32] != head.hash:
        raise CorruptStore(f"{path}: the list of what the head, block {head.number}, changed is missing or another block's. {_REMEDY}")
    if header.state_root != EMPTY_TRIE_ROOT:
        try:
            StoredNodes(view).node(b"", "", header.state_root)
        except MissingState as error:
            raise CorruptStore(f"{path}: the state is not that of the head, block {head.number}: {error}. {_REMEDY}") from error
    return header
