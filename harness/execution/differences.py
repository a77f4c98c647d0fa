"""Executed blocks held against what is expected of them: the first thing that differs, in the header's order."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from harness.execution.cases import ExpectedBlock, HeaderFields, fields_of
from trinode.execution.block import ExecutedBlock

Value: TypeAlias = int | bytes | str | bool | None


class TransactionDifference(NamedTuple):
    """The first transaction that did something else than expected: `what` is `gas_used` or `succeeded`."""

    position: int
    what: str
    computed: int
    expected: int


class BlockDifference(NamedTuple):
    """The first field of a block that differs, and the first transaction, where it is known what those did.

    `field` is a field of `Header`, `hash`, or what the engine objects to where there is no block.
    """

    number: int
    field: str
    computed: Value
    expected: Value
    transaction: TransactionDifference | None = None


def first_header_difference(computed: HeaderFields, expected: HeaderFields) -> tuple[str, Value, Value] | None:
    """The first of the expected fields that the computed header has otherwise: name and both values."""
    for name, value in expected.items():
        if computed[name] != value:
            return name, computed[name], value
    return None


def block_difference(block: ExecutedBlock, expected: ExpectedBlock) -> BlockDifference | None:
    """The first difference of a block; None: it is as expected."""
    transaction = _first_transaction_difference(block, expected)
    differing = first_header_difference(fields_of(block.header), expected.header)
    if differing is None and expected.hash not in (None, block.hash):
        differing = ("hash", block.hash, expected.hash)
    if differing is None and transaction is not None:
        # The header commits to what transactions did: then the expectation contradicts itself.
        differing = (f"transaction {transaction.position} {transaction.what}", transaction.computed, transaction.expected)
    return None if differing is None else BlockDifference(block.header.number, *differing, transaction)


def _first_transaction_difference(block: ExecutedBlock, expected: ExpectedBlock) -> TransactionDifference | None:
    for index, result in enumerate(block.results):
        if expected.succeeded is not None and result.succeeded != expected.succeeded[index]:
            return TransactionDifference(index, "succeeded", result.succeeded, expected.succeeded[index])
        if expected.gas_used is not None and result.gas_used != expected.gas_used[index]:
            return TransactionDifference(index, "gas_used", result.gas_used, expected.gas_used[index])
    return None


def shown(value: Value) -> str:
    """A value for people: bytes in hex."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return "none" if value is None else str(value)


def described(difference: BlockDifference) -> str:
    """A difference in lines for people."""
    number, field, computed, expected, transaction = difference
    lines = [f"block {number} differs in {field}:", f"  computed {shown(computed)}", f"  expected {shown(expected)}"]
    if transaction is not None:
        lines.append(
            f"  first at transaction {transaction.position}: {transaction.what}"
            f" computed {shown(transaction.computed)}, expected {shown(transaction.expected)}"
        )
    return "\n".join(lines)


def as_json(difference: BlockDifference) -> dict[str, object]:
    """A difference as a JSON object."""
    result: dict[str, object] = {
        "number": difference.number,
        "field": difference.field,
        "computed": shown(difference.computed),
        "expected": shown(difference.expected),
    }
    if difference.transaction is not None:
        result["transaction"] = difference.transaction._asdict()
    return result
