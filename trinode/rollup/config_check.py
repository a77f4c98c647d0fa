"""What a rollup config must fulfil: op-node's checks, and the order of all forks.

Each raises RollupConfigError, which names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.json_fields import RollupConfigError

if TYPE_CHECKING:
    from trinode.rollup.config import RollupConfig


def check_rollup_config(config: RollupConfig) -> None:
    """Everything but what types and `check_fork_order` ensure already."""
    genesis, system_config = config.genesis, config.genesis.system_config
    for name, holds, problem in (
        ("block_time", config.block_time > 0, "must not be 0"),
        ("channel_timeout", config.channel_timeout > 0, "must not be 0"),
        ("seq_window_size", config.seq_window_size >= 2, "must be at least 2"),
        ("max_sequencer_drift", config.max_sequencer_drift > 0, "missing or 0"),
        ("genesis.l1.hash", any(genesis.l1.hash), "must not be zero"),
        ("genesis.l2.hash", any(genesis.l2.hash), "must not be zero"),
        ("genesis.l2.hash", genesis.l1.hash != genesis.l2.hash, "must differ from genesis.l1.hash"),
        ("genesis.l2_time", genesis.l2_time > 0, "must not be 0"),
        ("genesis.system_config.batcherAddr", any(system_config.batcher_address), "must not be zero"),
        ("genesis.system_config.scalar", any(system_config.scalar), "must not be zero"),
        ("genesis.system_config.gasLimit", system_config.gas_limit > 0, "must not be 0"),
        ("batch_inbox_address", any(config.batch_inbox_address), "must not be zero"),
        ("deposit_contract_address", any(config.deposit_contract_address), "must not be zero"),
        ("l1_chain_id", config.l1_chain_id > 0, "must not be 0"),
        ("l2_chain_id", config.l2_chain_id > 0, "must not be 0"),
        ("l2_chain_id", config.l1_chain_id != config.l2_chain_id, "must differ from l1_chain_id"),
    ):
        if not holds:
            raise RollupConfigError(name, problem)


def check_fork_order(fork_times: Mapping[Fork, int]) -> None:
    """A scheduled fork needs the one before it, at the same time or earlier. op-node checks no further than Isthmus."""
    for before, fork in pairwise(SCHEDULED_FORKS):
        if fork not in fork_times:
            continue
        if before not in fork_times:
            raise RollupConfigError(fork.time_field, f"{fork.label} is scheduled but not {before.label} before it")
        if fork_times[before] > fork_times[fork]:
            raise RollupConfigError(
                fork.time_field,
                f"{fork.label} at {fork_times[fork]} is before {before.time_field} {fork_times[before]}",
            )
