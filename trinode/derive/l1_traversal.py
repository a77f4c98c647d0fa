"""L1 Traversal: walks L1 block by block and keeps the system config up to date (specification: derivation, "L1 Traversal")."""

from __future__ import annotations

from trinode.derive.errors import ResetRequired
from trinode.derive.events import ConfigProblem, Steps, l1_block_by_number
from trinode.derive.journal import Journal
from trinode.derive.receipts import receipts_with_logs_of
from trinode.protocol.block import L1Block, L1BlockRef
from trinode.rollup.config import RollupConfig
from trinode.rollup.system_config import SystemConfig, update_system_config


class L1Traversal:
    """The L1 block that all stages stand at, `origin`, and the system config as of it.

    This system config only decides who the batcher is: an update in a block already filters that block's data. What goes into the
    L2 blocks is the attributes stage's own copy, which follows the L2 chain's L1 origin instead.
    """

    def __init__(self, config: RollupConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._unread: L1Block | None = None
        self.origin: L1BlockRef
        self.system_config: SystemConfig

    def reset(self, base: L1Block, system_config: SystemConfig) -> None:
        """Stand at `base` again, its data unread."""
        self.system_config = system_config
        self._stand_at(base.ref, base)

    def resume(self, origin: L1BlockRef, system_config: SystemConfig) -> None:
        """Stand at `origin` with its data used up."""
        self.system_config = system_config
        self._stand_at(origin, None)

    def _stand_at(self, origin: L1BlockRef, unread: L1Block | None) -> None:
        self.origin = origin
        self._unread = unread
        self._journal.origin = origin.id

    @property
    def is_read(self) -> bool:
        """Whether the data of the current L1 block has been taken for the last time."""
        return self._unread is None

    def take_block(self) -> L1Block | None:
        """The current L1 block, once."""
        block, self._unread = self._unread, None
        return block

    def advance(self) -> Steps[bool]:
        """Go to the next L1 block; False if L1 has none yet.

        Raises ResetRequired if the next block does not follow the current one.
        """
        block = yield from l1_block_by_number(self.origin.number + 1)
        if block is None:
            return False
        if block.header.parent_hash != self.origin.hash:
            raise ResetRequired(
                f"L1 reorg: block {block.header.number} {block.hash.hex()} does not follow {self.origin.number} {self.origin.hash.hex()}"
            )
        receipts = receipts_with_logs_of(block, self._config.l1_system_config_address)
        if receipts:
            self.system_config, problems = update_system_config(
                self.system_config, receipts, self._config, l1_inclusion_timestamp=block.header.timestamp
            )
            self._journal.notices += [ConfigProblem(block.id, problem) for problem in problems]
        self._stand_at(block.ref, block)
        return True
