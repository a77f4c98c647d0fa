"""What a recorded L1 answers, as far as it has been shown: JSON that is made once, before anybody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from harness.l1_view import L1View
from harness.recording import RecordedItem, RecordedL1Block, RecordedLabels, RecordingHead
from trinode.devnet.l1_objects import receipt_objects
from trinode.devnet.l1_store import StoredBlock
from trinode.execution.recovery import recover_in_order
from trinode.jsonrpc.block_object import block_object
from trinode.protocol.block import KnownBlock, L1Block
from trinode.protocol.transaction import SignatureError, decode_transaction
from trinode.protocol.types import Hash32
from trinode.rollup.l1_chain import L1ChainConfig

NULL = msgspec.Raw(b"null")


class BlockJson:
    """One block in JSON. `receipts` is null where the recording has none: nobody needs them, for the block's bloom excludes the rollup."""

    def __init__(self, item: RecordedL1Block, config: L1ChainConfig) -> None:
        block = item.block
        known = KnownBlock(block.header, block.hash, block.transactions)
        self.whole = _encoded(block_object(known, whole=True))
        self.with_hashes = _encoded(block_object(known, whole=False))
        self.receipts = NULL if block.receipts is None else _encoded(receipt_objects(config, _stored(block, block.receipts)))
        self.blobs = item.blobs


class ServedChain:
    """A recording's L1 after its first events. `genesis_time`: of its beacon chain, in Unix seconds; a slot is a second long."""

    def __init__(self, head: RecordingHead, items: Sequence[RecordedItem]) -> None:
        self._events = [item for item in items if isinstance(item, RecordedL1Block | RecordedLabels)]
        blocks = [item for item in self._events if isinstance(item, RecordedL1Block)]
        self.chain_id = head.rollup_config.l1_chain_id
        self.genesis_time = blocks[0].block.header.timestamp
        self._json = {item.block.hash: BlockJson(item, head.l1_chain_config) for item in blocks}
        self._view = L1View()
        self._labels: RecordedLabels | None = None
        self._next = 0

    def show(self, blocks: int | None = None) -> int:
        """Shows so many more of the recorded blocks (None: all), and the labels up to the next one; how many blocks there were."""
        shown = 0
        for event in self._events[self._next :]:
            if isinstance(event, RecordedLabels):
                self._labels = event
                self._view.label(event)
            elif shown == blocks:
                break
            else:
                self._view.add(event)
                shown += 1
            self._next += 1
        return shown

    def number_of(self, label: str) -> int | None:
        """The number that a label stands for now; None: none yet."""
        if label in ("safe", "finalized"):
            return None if self._labels is None else int(getattr(self._labels, label))
        chain = self._view.chain
        return chain[0 if label == "earliest" else -1].header.number if chain else None

    def at(self, number: int) -> BlockJson | None:
        """The canonical block of a number."""
        block = self._view.by_number(number)
        return None if block is None else self._json[block.hash]

    def named(self, block_hash: Hash32) -> BlockJson | None:
        """A block that has been shown, also one that is canonical no more."""
        return self._json[block_hash] if block_hash in self._view.by_hash else None

    def blobs_at(self, slot: int) -> Mapping[Hash32, bytes] | None:
        """The batcher's blobs in the canonical block of a slot, by versioned hash; None: the slot has no block."""
        time = self.genesis_time + slot
        block = next((block for block in self._view.chain if block.header.timestamp == time), None)
        return None if block is None else self._json[block.hash].blobs


def _encoded(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _stored(block: L1Block, receipts: Sequence[bytes]) -> StoredBlock:
    """The block as the devnet has it, whose JSON has all that geth's has."""
    senders = []
    for sender in recover_in_order([decode_transaction(raw) for raw in block.transactions]):
        assert not isinstance(sender, SignatureError)
        senders.append(sender)
    return StoredBlock(block.header, block.transactions, tuple(receipts), tuple(senders))
