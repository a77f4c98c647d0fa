"""A state as a file, with the blocks that execution goes on from."""

from __future__ import annotations

from collections.abc import Callable
from os import fsync
from pathlib import Path

from trinode.execution.state import BLOCK_HASHES
from trinode.protocol.header import encode_header
from trinode.protocol.rlp_codec import encode
from trinode.protocol.types import Hash32
from trinode.storage import tables
from trinode.storage.blocks import BlockReader
from trinode.storage.errors import SnapshotError
from trinode.storage.identity import ChainIdentity
from trinode.storage.readers import HeadState
from trinode.storage.snapshot_file import ACCOUNTS, BLOCKS, CODES, HEAD, SLOTS, FrameWriter
from trinode.storage.store import Store

_PROGRESS_EVERY = 10_000


def export_snapshot(
    store: Store, chain: ChainIdentity, block_hash: Hash32, path: Path, *, progress: Callable[[str, int], None] = lambda what, done: None
) -> None:
    """Writes the state after that block to a new file. The store may go on meanwhile.

    `progress` is told now and then what is written (accounts, slots, codes) and how many so far. Raises MissingState if
    the state is not retained, SnapshotError if there is a file already, OSError; nothing is left behind then.
    """
    if path.exists():
        raise SnapshotError(f"{path}: there is a file already. Remove it, or use another name.")
    state = store.state_at(block_hash)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            writer = FrameWriter(file)
            writer.add(HEAD, chain.chain_id.to_bytes(32, "big"), chain.genesis_hash, block_hash)
            _add_blocks(writer, state, block_hash)
            _add_state(writer, state, progress)
            file.flush()
            fsync(file.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)


def _add_blocks(writer: FrameWriter, state: HeadState, block_hash: Hash32) -> None:
    blocks = BlockReader(state.view)
    for _ in range(BLOCK_HASHES):
        header, transactions = blocks.header(block_hash), blocks.transactions(block_hash)
        if header is None or transactions is None:
            return
        writer.add(BLOCKS, encode([encode_header(header), list(transactions)]))
        block_hash = header.parent_hash


def _add_state(writer: FrameWriter, state: HeadState, progress: Callable[[str, int], None]) -> None:
    counts = []
    for kind, table, what in ((ACCOUNTS, tables.ACCOUNTS, "accounts"), (SLOTS, tables.SLOTS, "slots")):
        count = 0
        for key, value in state.entries(table, fill_cache=False):
            writer.add(kind, key[1:], value)
            count += 1
            if not count % _PROGRESS_EVERY:
                progress(what, count)
        progress(what, count)
        counts.append(count)
    count = 0
    # All codes, though some may be of other states: to know which, all of their hashes would have to be held.
    for _, code in state.view.entries(tables.CODES, fill_cache=False):
        writer.add(CODES, code)
        count += 1
    progress("codes", count)
    writer.end(*[tables.number_bytes(count) for count in counts])
