"""The JSON shapes of a recording's lines, and the one place where hex and JSON errors are read.

msgspec checks names and JSON types while it parses; what the strings mean is checked in `decode`.
"""

from __future__ import annotations

import binascii
import re
from typing import Annotated, Any, TypeAlias

import msgspec

from harness.recording.errors import FieldError
from trinode.protocol.types import BlockId
from trinode.rollup.json_fields import to_hex

Quantity: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class BlockIdWire(msgspec.Struct):
    """A block by number and hash."""

    number: Quantity
    hash: str


class NoteWire(msgspec.Struct):
    """What a hand-made transaction is."""

    what: str
    tx: str


class L2StartWire(msgspec.Struct, omit_defaults=True):
    """The L2 block that derivation starts from."""

    header_rlp: str
    transactions: list[str]
    l1_origin: BlockIdWire
    sequence_number: Quantity
    system_config: dict[str, Any] | None = None


class HeadWire(msgspec.Struct, tag_field="type", tag="recording"):
    """The first line."""

    format: int
    name: str
    source: str
    rollup_config: dict[str, Any]
    l1_chain_config: dict[str, Any]
    l2_start: L2StartWire
    l2_genesis: str | None = None
    notes: list[NoteWire] | msgspec.UnsetType | None = msgspec.UNSET
    execution_departs_at: Quantity | msgspec.UnsetType | None = msgspec.UNSET


class L1BlockWire(msgspec.Struct, kw_only=True, tag_field="type", tag="l1_block"):
    """A line `l1_block`; `number` and `hash` are for the reader's eye."""

    number: Quantity | None = None
    hash: str | None = None
    header_rlp: str
    transactions: list[str]
    receipts: list[str] | None
    blobs: dict[str, str]


class LabelsWire(msgspec.Struct, tag_field="type", tag="l1_labels"):
    """A line `l1_labels`."""

    safe: Quantity
    finalized: Quantity


class WithdrawalWire(msgspec.Struct):
    """A withdrawal in payload attributes; the OP Stack's lists are empty."""

    index: Quantity
    validator_index: Quantity
    address: str
    amount: Quantity


class AttributesWire(msgspec.Struct):
    """Payload attributes without transactions; null where the fork has no such field."""

    timestamp: Quantity
    prev_randao: str
    fee_recipient: str
    gas_limit: Quantity
    withdrawals: list[WithdrawalWire] | None
    parent_beacon_block_root: str | None
    eip1559_params: str | None
    min_base_fee: Quantity | None
    no_tx_pool: bool


class L2BlockWire(msgspec.Struct, tag_field="type", tag="l2_block"):
    """A line `l2_block`."""

    number: Quantity
    hash: str
    header_rlp: str
    transactions: list[str]
    l1_origin: BlockIdWire | None
    sequence_number: Quantity | None
    derived_from: BlockIdWire | None
    attributes: AttributesWire | None
    deposits_only: bool
    output_root: str | msgspec.UnsetType | None = msgspec.UNSET


LineWire: TypeAlias = HeadWire | L1BlockWire | LabelsWire | L2BlockWire

_DECODER: msgspec.json.Decoder[LineWire] = msgspec.json.Decoder(HeadWire | L1BlockWire | LabelsWire | L2BlockWire)
_PLACE = re.compile(r"(?s)(.*) - at `(?:key in )?\$\.?(.*)`")


def decode_line(line: bytes) -> LineWire:
    """One line's JSON as a struct; raises `FieldError` for bad JSON, an unknown `type`, a missing field or a wrong JSON type."""
    try:
        return _DECODER.decode(line)
    except msgspec.ValidationError as error:
        match = _PLACE.fullmatch(str(error))
        message, field = match.groups() if match else (str(error), "")
        raise FieldError(field, message) from error
    except RecursionError as error:
        raise FieldError("", "JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FieldError("", str(error)) from error


def encode_line(line: LineWire) -> bytes:
    """One line, newline included; the same bytes for the same values."""
    return msgspec.json.encode(line) + b"\n"


def from_hex(text: str, field: str, size: int | None = None) -> bytes:
    """The bytes of a 0x-prefixed hex string; raises `FieldError` where it is none, or not `size` bytes long."""
    if not text.startswith("0x"):
        raise FieldError(field, f"not a 0x-prefixed hex string: {text[:40]!r}")
    try:
        # unhexlify, unlike bytes.fromhex, refuses white space.
        data = binascii.unhexlify(text[2:])
    except ValueError as error:
        raise FieldError(field, f"bad hex: {error}") from error
    if size is not None and len(data) != size:
        raise FieldError(field, f"{len(data)} bytes, not {size}")
    return data


def from_hex_list(texts: list[str], field: str) -> tuple[bytes, ...]:
    """`from_hex` of each; the field of an error names the place in the list."""
    try:
        values = tuple([binascii.unhexlify(text[2:]) for text in texts])
    except ValueError:
        values = ()
    if len(values) == len(texts) and all(text.startswith("0x") for text in texts):
        return values
    return tuple([from_hex(text, f"{field}[{index}]") for index, text in enumerate(texts)])


def block_id_of(wire: BlockIdWire, field: str) -> BlockId:
    """A block id; raises `FieldError` for a bad hash."""
    return BlockId(wire.number, from_hex(wire.hash, f"{field}.hash", 32))


def block_id_wire(block: BlockId) -> BlockIdWire:
    """A block id in JSON."""
    return BlockIdWire(block.number, to_hex(block.hash))
