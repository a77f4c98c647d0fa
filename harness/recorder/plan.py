"""What is to be recorded."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_chain import L1ChainConfig


class RecordError(Exception):
    """The request makes no sense, or does not fit what is there already; one line."""


class ChainError(RecordError):
    """What the endpoints gave is right block by block, but does not fit together."""


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """L1 blocks `l1_first` to `l1_last`, and the L2 blocks after `l2_start` (from which derivation starts) to `l2_last`."""

    name: str
    source: str
    rollup_config: RollupConfig
    l1_chain_config: L1ChainConfig
    l1_first: int
    l1_last: int
    l2_start: int
    l2_last: int
    all_receipts: bool = False
    safe_heads: bool = False
    l2_genesis: str | None = None

    def __post_init__(self) -> None:
        genesis = self.rollup_config.genesis
        if self.l1_chain_config.chain_id != self.rollup_config.l1_chain_id:
            raise RecordError(f"L1 chain {self.l1_chain_config.chain_id} is not the rollup's L1 chain {self.rollup_config.l1_chain_id}")
        if self.l1_first < genesis.l1.number:
            raise RecordError(f"L1 block {self.l1_first} is before the rollup's genesis, L1 block {genesis.l1.number}")
        if self.l1_last < self.l1_first:
            raise RecordError(f"L1 blocks {self.l1_first} to {self.l1_last}: there are none")
        if self.l2_start < genesis.l2.number:
            raise RecordError(f"L2 block {self.l2_start} is before the rollup's genesis, L2 block {genesis.l2.number}")
        if self.l2_last < self.l2_start:
            raise RecordError(f"L2 blocks {self.l2_start} to {self.l2_last}: there are none")

    def key(self) -> bytes:
        """What makes a journal this request's: all of it but the endpoints, which may change from one run to the next."""
        return msgspec.json.encode(
            {
                "journal": 1,
                "name": self.name,
                "source": self.source,
                "rollup_config": self.rollup_config.to_json(),
                "l1_chain_config": self.l1_chain_config.to_json(),
                "l1": [self.l1_first, self.l1_last],
                "l2": [self.l2_start, self.l2_last],
                "all_receipts": self.all_receipts,
                "safe_heads": self.safe_heads,
                "l2_genesis": self.l2_genesis,
            }
        )

    def tasks(self) -> list[Task]:
        """Everything that must be fetched, in the order of the recording."""
        l1 = range(self.l1_first, self.l1_last + 1)
        tasks = [Task("l1", number) for number in l1]
        tasks += [Task("l2", number) for number in range(self.l2_start, self.l2_last + 1)]
        if self.safe_heads:
            # The one before tells which L2 blocks are not derived from the first block.
            tasks += [Task("safe", number) for number in range(self.l1_first - 1, self.l1_last + 1)]
        return tasks


class Task(msgspec.Struct, frozen=True, array_like=True):
    """One thing to fetch: `kind` is l1 (block), l2 (block) or safe (the safe head as of an L1 block)."""

    kind: str
    number: int
