"""What a recording says must be derived, held against what is.

The rules for blocks that a recording cannot hold (those derived from L1 blocks that a later line reorgs out, and before Holocene those whose
batch the recording engine refused) are those of the reference program for this format, so that both judge alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from harness.fake_execution import fake_extra_data, has_batch_transactions
from harness.recording import RecordedL2Block
from trinode.derive.events import DerivedAttributes
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork


class Difference(NamedTuple):
    """The first thing that differs: of which block, which field, and both values."""

    number: int
    field: str
    derived: Any
    recorded: Any


class Expectation:
    """The recorded L2 blocks, found by number and parent. `final`: hashes of the L1 blocks that no later line reorgs out."""

    def __init__(self, config: RollupConfig, blocks: Iterable[RecordedL2Block], final: set[Hash32]) -> None:
        self._config = config
        self._final = final
        self._blocks: dict[int, list[RecordedL2Block]] = defaultdict(list)
        for block in blocks:
            self._blocks[block.block.ref.number].append(block)
        self.count = sum(len(same_number) for same_number in self._blocks.values())
        self.last = max(self._blocks, default=0)

    def block(self, derived: DerivedAttributes) -> RecordedL2Block | None:
        """The recorded block of this number, the one with this parent if there are several."""
        same_number = self._blocks.get(derived.number, [])
        return next((b for b in same_number if b.block.ref.parent_hash == derived.parent.hash), same_number[0] if same_number else None)

    def is_final(self, derived: DerivedAttributes) -> bool:
        """Whether the L1 block that the attributes are derived from stays."""
        return derived.derived_from.hash in self._final

    def says_invalid(self, derived: DerivedAttributes, recorded: RecordedL2Block) -> bool:
        """Whether the recording says that these attributes, with batch transactions, make no valid block."""
        if not has_batch_transactions(derived.attributes):
            return False
        same_source = recorded.derived_from is None or recorded.derived_from.number == derived.derived_from.number
        return recorded.deposits_only and same_source and recorded.block.ref.parent_hash == derived.parent.hash

    def implies_invalid(self, derived: DerivedAttributes, recorded: RecordedL2Block, difference: Difference) -> bool:
        """Before Holocene nothing marks a refused batch: the recorded block then has other batch transactions, from no earlier L1 block."""
        return (
            has_batch_transactions(derived.attributes)
            and difference.field.startswith("transactions[")
            and not self._config.is_active(Fork.HOLOCENE, l1_inclusion_timestamp=derived.derived_from_timestamp)
            and (recorded.derived_from is None or recorded.derived_from.number >= derived.derived_from.number)
            and self.is_final(derived)
        )

    def difference(self, derived: DerivedAttributes, recorded: RecordedL2Block) -> Difference | None:
        """The first field in which derived attributes differ from the recorded block."""
        for field, ours, theirs in self._fields(derived, recorded):
            if ours != theirs:
                return Difference(derived.number, field, ours, theirs)
        return None

    def _fields(self, derived: DerivedAttributes, recorded: RecordedL2Block) -> Iterator[tuple[str, Any, Any]]:
        attributes, ref, header = derived.attributes, recorded.block.ref, recorded.header
        yield "parent_hash", derived.parent.hash, ref.parent_hash
        yield "timestamp", attributes.timestamp, ref.timestamp
        yield "l1_origin", derived.l1_origin, ref.l1_origin
        yield "sequence_number", derived.sequence_number, ref.sequence_number
        yield from _transaction_fields(attributes.transactions, recorded.block.transactions)
        if recorded.attributes is not None:
            expected = recorded.attributes
            for name in ("timestamp", "prev_randao", "suggested_fee_recipient", "gas_limit", "parent_beacon_block_root"):
                yield f"attributes.{name}", getattr(attributes, name), getattr(expected, name)
            for name in ("eip1559_params", "min_base_fee", "withdrawals", "no_tx_pool"):
                yield f"attributes.{name}", getattr(attributes, name), getattr(expected, name)
        yield "header.prev_randao", attributes.prev_randao, header.prev_randao
        yield "header.beneficiary", attributes.suggested_fee_recipient, header.beneficiary
        yield "header.gas_limit", attributes.gas_limit, header.gas_limit
        yield "header.parent_beacon_block_root", attributes.parent_beacon_block_root, header.parent_beacon_block_root
        yield "header.withdrawals_root is set", attributes.withdrawals is not None, header.withdrawals_root is not None
        if attributes.eip1559_params is not None:
            yield "header.extra_data", fake_extra_data(self._config, attributes), header.extra_data
        if recorded.derived_from is not None and self.is_final(derived):
            yield "derived_from", derived.derived_from, recorded.derived_from


def _transaction_fields(ours: tuple[bytes, ...], theirs: tuple[bytes, ...]) -> Iterator[tuple[str, Any, Any]]:
    if ours == theirs:
        return
    for index in range(max(len(ours), len(theirs))):
        yield f"transactions[{index}]", ours[index] if index < len(ours) else None, theirs[index] if index < len(theirs) else None
