"""Makes the recording out of a full journal: links, who derived what, and the attributes of each L2 block."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from harness.recorder.journal import Journal
from harness.recorder.plan import RecordError, RecordPlan, Task
from harness.recording import (
    L2Start,
    RecordedL1Block,
    RecordedL2Block,
    RecordingHead,
    RecordingWriter,
)
from harness.recording.decode import decode_l1_block, decode_l2_block
from harness.recording.errors import FieldError
from harness.recording.links import L1Links, L2Links
from harness.recording.wire import L1BlockWire, L2BlockWire, decode_line
from trinode.protocol.header import Header
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.receipt import ReceiptDecodingError, decode_receipt
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2Block
from trinode.rollup.system_config import SystemConfig, update_system_config


class Assembly:
    """Reads a full journal in the order of the recording."""

    def __init__(self, plan: RecordPlan, journal: Journal) -> None:
        self._plan = plan
        self._journal = journal
        self._config = plan.rollup_config
        self._l1_hashes: dict[int, Hash32] = {}

    def write(self, writer_path_head: RecordingWriter) -> None:
        """Put every line after the first into the writer. Raises RecordError where the blocks do not hang together."""
        writer = writer_path_head
        self._write_l1(writer)
        self._write_l2(writer)

    def head(self) -> RecordingHead:
        """The first line."""
        plan, start = self._plan, self._l2_block(self._plan.l2_start)
        return RecordingHead(
            name=plan.name,
            source=plan.source,
            rollup_config=plan.rollup_config,
            l1_chain_config=plan.l1_chain_config,
            l2_start=L2Start(start.block, start.header),
            l2_genesis=plan.l2_genesis,
        )

    def _write_l1(self, writer: RecordingWriter) -> None:
        links = L1Links()
        for number in range(self._plan.l1_first, self._plan.l1_last + 1):
            item = self._l1_block(number)
            try:
                links.add(item)
            except FieldError as error:
                raise RecordError(
                    f"L1 blocks {number - 1} and {number} are no chain ({error.message}): L1 was reorged meanwhile; "
                    f"remove {self._journal.path} and record finalized blocks"
                ) from error
            self._l1_hashes[number] = item.block.hash
            writer.write(item)

    def _write_l2(self, writer: RecordingWriter) -> None:
        derived_from = self._derived_from()
        parent = self._l2_block(self._plan.l2_start)
        links = L2Links(self.head())
        origin: RecordedL1Block | None = None
        for number in range(self._plan.l2_start + 1, self._plan.l2_last + 1):
            item = self._l2_block(number)
            ref = item.block.ref
            try:
                links.add(item)
            except FieldError as error:
                message = f"L2 blocks {number - 1} and {number} are no chain ({error.message}): remove {self._journal.path} and start again"
                raise RecordError(message) from error
            if origin is None or origin.block.hash != ref.l1_origin.hash:
                origin = self._l1_block(ref.l1_origin.number) if self._l1_hashes.get(ref.l1_origin.number) == ref.l1_origin.hash else None
            attributes = attributes_of(self._config, item.block, item.header, parent.block, origin)
            writer.write(replace(item, attributes=attributes, derived_from=derived_from.get(number)))
            parent = item

    def _derived_from(self) -> dict[int, BlockId]:
        """Which L1 block completed which L2 block, by the safe heads that the rollup node remembers."""
        found: dict[int, BlockId] = {}
        known: int | None = None
        for number in range(self._plan.l1_first, self._plan.l1_last + 1):
            entry = self._journal.read(Task("safe", number)) if self._plan.safe_heads else b"null"
            if entry == b"null":
                continue
            l1_hash, l2_number, l2_hash = msgspec.json.decode(entry, type=tuple[str, int, str])
            if bytes.fromhex(l1_hash) != self._l1_hashes[number]:
                raise RecordError(f"the rollup node's safe head is of another L1 block {number}, 0x{l1_hash}: wait until it has followed L1's reorg")
            if self._plan.l2_start < l2_number <= self._plan.l2_last and self._l2_block(l2_number).block.ref.hash.hex() != l2_hash:
                raise RecordError(f"the rollup node's L2 block {l2_number} is 0x{l2_hash}, the L2 endpoint has another")
            # The first entry says how far it came, not since when, unless that is where the recording starts.
            if known is None:
                known = self._plan.l2_start if l2_number >= self._plan.l2_start and self._starts_at_genesis() else l2_number
            for l2 in range(known + 1, l2_number + 1):
                found[l2] = BlockId(number, self._l1_hashes[number])
            known = max(known, l2_number)
        return found

    def _starts_at_genesis(self) -> bool:
        genesis = self._config.genesis
        return self._plan.l2_start == genesis.l2.number and self._plan.l1_first == genesis.l1.number

    def _l1_block(self, number: int) -> RecordedL1Block:
        wire = decode_line(self._journal.read(Task("l1", number)))
        assert isinstance(wire, L1BlockWire)
        return decode_l1_block(wire, 0, self._config, check=True)

    def _l2_block(self, number: int) -> RecordedL2Block:
        wire = decode_line(self._journal.read(Task("l2", number)))
        assert isinstance(wire, L2BlockWire)
        return decode_l2_block(wire, 0, self._config, check=True)


def attributes_of(
    config: RollupConfig, block: L2Block, header: Header, parent: L2Block, origin: RecordedL1Block | None
) -> PayloadAttributes | None:
    """The payload attributes that made an L2 block, or None where they depend on an L1 origin that is not in the recording.

    All but the EIP-1559 parameters and the minimum base fee stand in the block; those are the system config's, which only the parent
    and the receipts of a new L1 origin tell: parameters of zero stand in the header as what they mean.
    """
    rules = config.rules(l2_timestamp=header.timestamp)
    system_config: SystemConfig | None = parent.system_config
    if block.ref.sequence_number == 0 and rules.eip1559_params:
        system_config = None if origin is None else _updated(parent.system_config, origin, config)
    if system_config is None:
        return None
    return PayloadAttributes(
        timestamp=header.timestamp,
        prev_randao=header.prev_randao,
        suggested_fee_recipient=header.beneficiary,
        withdrawals=() if rules.withdrawals else None,
        parent_beacon_block_root=header.parent_beacon_block_root,
        transactions=block.transactions,
        no_tx_pool=True,
        gas_limit=header.gas_limit,
        eip1559_params=system_config.eip1559_params if rules.eip1559_params else None,
        min_base_fee=system_config.min_base_fee if rules.min_base_fee else None,
    )


def _updated(system_config: SystemConfig, origin: RecordedL1Block, config: RollupConfig) -> SystemConfig:
    try:
        receipts = [decode_receipt(raw) for raw in origin.block.receipts or ()]
    except ReceiptDecodingError as error:
        raise RecordError(f"a receipt of L1 block {origin.block.header.number}: {error}") from error
    timestamp = origin.block.header.timestamp
    return update_system_config(system_config, receipts, config, l1_inclusion_timestamp=timestamp)[0]
