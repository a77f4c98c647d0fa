"""Values into the lines of a recording: the reverse of `decode`."""

from __future__ import annotations

import msgspec

from harness.recording.format import (
    FORMAT,
    L2Start,
    RecordedItem,
    RecordedL1Block,
    RecordedL2Block,
    RecordingHead,
)
from harness.recording.wire import (
    AttributesWire,
    HeadWire,
    L1BlockWire,
    L2BlockWire,
    L2StartWire,
    LabelsWire,
    NoteWire,
    WithdrawalWire,
    block_id_wire,
    encode_line,
)
from trinode.protocol.header import encode_header
from trinode.protocol.payload import PayloadAttributes
from trinode.rollup.json_fields import to_hex


def encode_head(head: RecordingHead) -> bytes:
    """The first line."""
    departs_at = head.execution_departs_at
    return encode_line(
        HeadWire(
            format=FORMAT,
            name=head.name,
            source=head.source,
            rollup_config=head.rollup_config.to_json(),
            l1_chain_config=head.l1_chain_config.to_json(),
            l2_start=_l2_start_wire(head.l2_start),
            l2_genesis=head.l2_genesis,
            notes=[NoteWire(note.what, to_hex(note.transaction)) for note in head.notes] or msgspec.UNSET,
            execution_departs_at=departs_at if departs_at is not None else msgspec.UNSET,
        )
    )


def encode_item(item: RecordedItem) -> bytes:
    """Any line after the first; `item.line` does not matter."""
    if isinstance(item, RecordedL1Block):
        return encode_line(_l1_block_wire(item))
    if isinstance(item, RecordedL2Block):
        return encode_line(_l2_block_wire(item))
    return encode_line(LabelsWire(item.safe, item.finalized))


def _hex_list(items: tuple[bytes, ...]) -> list[str]:
    return ["0x" + item.hex() for item in items]


def _l2_start_wire(start: L2Start) -> L2StartWire:
    ref = start.block.ref
    return L2StartWire(
        header_rlp=to_hex(encode_header(start.header)),
        transactions=_hex_list(start.block.transactions),
        l1_origin=block_id_wire(ref.l1_origin),
        sequence_number=ref.sequence_number,
        system_config=start.block.system_config.to_json(),
    )


def _l1_block_wire(item: RecordedL1Block) -> L1BlockWire:
    block = item.block
    return L1BlockWire(
        number=block.header.number,
        hash=to_hex(block.hash),
        header_rlp=to_hex(encode_header(block.header)),
        transactions=_hex_list(block.transactions),
        receipts=None if block.receipts is None else _hex_list(block.receipts),
        blobs={to_hex(name): to_hex(blob) for name, blob in item.blobs.items()},
    )


def _l2_block_wire(item: RecordedL2Block) -> L2BlockWire:
    ref = item.block.ref
    return L2BlockWire(
        number=ref.number,
        hash=to_hex(ref.hash),
        header_rlp=to_hex(encode_header(item.header)),
        transactions=_hex_list(item.block.transactions),
        l1_origin=block_id_wire(ref.l1_origin),
        sequence_number=ref.sequence_number,
        derived_from=None if item.derived_from is None else block_id_wire(item.derived_from),
        attributes=None if item.attributes is None else _attributes_wire(item.attributes),
        deposits_only=item.deposits_only,
        output_root=msgspec.UNSET if item.output_root is None else to_hex(item.output_root),
    )


def _attributes_wire(attributes: PayloadAttributes) -> AttributesWire:
    beacon_root, params, withdrawals = attributes.parent_beacon_block_root, attributes.eip1559_params, attributes.withdrawals
    return AttributesWire(
        timestamp=attributes.timestamp,
        prev_randao=to_hex(attributes.prev_randao),
        fee_recipient=to_hex(attributes.suggested_fee_recipient),
        gas_limit=attributes.gas_limit,
        withdrawals=None
        if withdrawals is None
        else [WithdrawalWire(w.index, w.validator_index, to_hex(w.address), w.amount) for w in withdrawals],
        parent_beacon_block_root=None if beacon_root is None else to_hex(beacon_root),
        eip1559_params=None if params is None else to_hex(params),
        min_base_fee=attributes.min_base_fee,
        no_tx_pool=attributes.no_tx_pool,
    )
