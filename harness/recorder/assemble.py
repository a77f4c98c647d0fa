"""Makes the recording out of a full journal: links, who derived what, and the attributes of each L2 block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from harness.recorder.journal import Journal
from harness.recorder.l2_source import SafeHead, decode_safe_head
from harness.recorder.plan import ChainError, RecordPlan, Task
from harness.recording import (
    L2Start,
    RecordedItem,
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


def assemble(plan: RecordPlan, journal: Journal, output: Path, wrote: Callable[[RecordedItem], None]) -> None:
    """Write the recording; `wrote` is called for each line after the first.

    Raises ChainError where the blocks do not hang together, RecordingError where the file cannot be written; then there is no file.
    """
    assembly = _Assembly(plan, journal)
    with RecordingWriter(output, assembly.head()) as writer:
        for item in assembly.items():
            writer.write(item)
            wrote(item)


class _Assembly:
    """Reads a full journal in the order of the recording."""

    def __init__(self, plan: RecordPlan, journal: Journal) -> None:
        self._plan = plan
        self._journal = journal
        self._config = plan.rollup_config
        self._l1_hashes: dict[int, Hash32] = {}

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

    def items(self) -> Iterator[RecordedItem]:
        """The lines after the first."""
        yield from self._l1_items()
        yield from self._l2_items()

    def _l1_items(self) -> Iterator[RecordedL1Block]:
        links = L1Links()
        for number in range(self._plan.l1_first, self._plan.l1_last + 1):
            item = self._l1_block(number)
            try:
                links.add(item)
            except FieldError as error:
                raise ChainError(
                    f"L1 blocks {number - 1} and {number} are no chain ({error.message}): L1 was reorged meanwhile; "
                    f"remove {self._journal.path} and record finalized blocks"
                ) from error
            self._l1_hashes[number] = item.block.hash
            yield item

    def _l2_items(self) -> Iterator[RecordedL2Block]:
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
                raise ChainError(message) from error
            if origin is None or origin.block.hash != ref.l1_origin.hash:
                origin = self._l1_block(ref.l1_origin.number) if self._l1_hashes.get(ref.l1_origin.number) == ref.l1_origin.hash else None
            attributes = attributes_of(self._config, item.block, item.header, parent.block, origin)
            yield replace(item, attributes=attributes, derived_from=derived_from.get(number))
            parent = item

    def _derived_from(self) -> dict[int, BlockId]:
        """Which L1 block completed which L2 block, by the safe heads that the rollup node remembers."""
        plan, found = self._plan, dict[int, BlockId]()
        if not plan.safe_heads:
            return found
        before = self._safe_head(plan.l1_first - 1)
        known = None if before is None else before.l2.number
        if plan.l1_first == plan.rollup_config.genesis.l1.number:
            known = plan.rollup_config.genesis.l2.number
        for number in range(plan.l1_first, plan.l1_last + 1):
            head = self._safe_head(number)
            # The answer for a block without news is that of an earlier one.
            if head is None or head.l1.number != number:
                continue
            self._check_safe_head(head)
            # Without an older entry, this first one tells how far derivation came, not since when.
            for l2_number in range((head.l2.number if known is None else known) + 1, head.l2.number + 1):
                found[l2_number] = head.l1
            known = head.l2.number if known is None else max(known, head.l2.number)
        return found

    def _check_safe_head(self, head: SafeHead) -> None:
        plan = self._plan
        if head.l1.hash != self._l1_hashes[head.l1.number]:
            raise ChainError(f"the rollup node's safe head is of another L1 block {head.l1.number}, 0x{head.l1.hash.hex()}")
        if not plan.l2_start <= head.l2.number <= plan.l2_last:
            return
        if self._l2_block(head.l2.number).block.ref.hash != head.l2.hash:
            raise ChainError(f"the rollup node's L2 block {head.l2.number} is 0x{head.l2.hash.hex()}, the L2 endpoint has another")

    def _safe_head(self, l1_number: int) -> SafeHead | None:
        return decode_safe_head(self._journal.read(Task("safe", l1_number)))

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
        raise ChainError(f"a receipt of L1 block {origin.block.header.number}: {error}") from error
    timestamp = origin.block.header.timestamp
    return update_system_config(system_config, receipts, config, l1_inclusion_timestamp=timestamp)[0]
