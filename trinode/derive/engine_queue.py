"""Engine Queue: hands attributes to the engine and follows the pending-safe and safe heads (specification: derivation, "Engine Queue").

An invalid block is replaced by its deposits alone from Holocene on; before, its batch is dropped with the span it came in.
"""

from __future__ import annotations

from dataclasses import replace

from trinode.derive.attributes import deposits_only
from trinode.derive.batch_queue import BatchQueue
from trinode.derive.batch_stage import BatchStage
from trinode.derive.drops import DropReason
from trinode.derive.errors import CriticalError
from trinode.derive.events import DerivedAttributes, PayloadInvalid, Steps, Subject
from trinode.derive.journal import Journal
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2Block


class EngineQueue:
    """`pending_safe`: the last block made of derived attributes; `safe`: the same, up to the last whole span batch."""

    def __init__(self, config: RollupConfig, safe: L2Block, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self.pending_safe = safe
        self.safe = safe

    def apply(self, derived: DerivedAttributes, batches: BatchQueue | BatchStage) -> Steps[None]:
        """Let the engine make a block of the attributes, or of what replaces them. Raises CriticalError if even deposits alone fail."""
        answer = yield derived
        if isinstance(answer, PayloadInvalid):
            last = derived.attributes.transactions[-1]
            if last[:1] == bytes([DEPOSIT_TRANSACTION_TYPE]):
                raise CriticalError(f"L2 block {derived.number} of deposits alone is invalid: {answer.reason}")
            self._journal.dropped(DropReason.BLOCK_INVALID, Subject.BLOCK, str(derived.number), answer.reason)
            holocene = self._config.rules(l1_inclusion_timestamp=derived.derived_from_timestamp).strict_ordering
            if not holocene:
                self.pending_safe = self.safe
                return
            batches.flush()
            replacement = replace(derived, attributes=deposits_only(derived.attributes), deposits_only=True)
            answer = yield replacement
            if isinstance(answer, PayloadInvalid):
                raise CriticalError(f"L2 block {derived.number} of deposits alone is invalid: {answer.reason}")
        assert isinstance(answer, L2Block) and answer.ref.parent_hash == derived.parent.hash, "the answer to attributes is their block"
        self.pending_safe = answer
        if derived.concluding and answer.ref.number > self.safe.ref.number:
            self.safe = answer
