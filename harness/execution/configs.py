"""Rollup configs for execution where no rollup.json says more, and engines by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

from trinode.execution.engine import Engine
from trinode.protocol.types import BlockId
from trinode.rollup.chains import UnknownChainError, chain_by_name
from trinode.rollup.config import ChainOpConfig, GenesisConfig, RollupConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.system_config import SystemConfig

EngineName: TypeAlias = Literal["fast", "py-evm"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def engine_named(name: str) -> Engine:
    """The engine of that name; py-evm is only imported where it is asked for."""
    if name == "py-evm":
        from trinode.execution.pyevm.session import PyEvmEngine  # noqa: PLC0415

        return PyEvmEngine()
    from trinode.execution.evm.engine import FastEngine  # noqa: PLC0415

    return FastEngine()


def config_for_execution(chain_id: int, fork_times: Mapping[Fork, int], chain_op_config: ChainOpConfig | None = None) -> RollupConfig:
    """A config that knows what execution asks of it, and nothing of L1. Raises RollupConfigError for forks out of order."""
    nowhere = BlockId(0, bytes(32))
    return RollupConfig(
        genesis=GenesisConfig(nowhere, nowhere, 0, SystemConfig(bytes(20), bytes(32), bytes(32), 30_000_000)),
        block_time=2,
        max_sequencer_drift=600,
        seq_window_size=3600,
        channel_timeout=300,
        l1_chain_id=0,
        l2_chain_id=chain_id,
        batch_inbox_address=bytes(20),
        deposit_contract_address=bytes(20),
        l1_system_config_address=bytes(20),
        fork_times=fork_times,
        chain_op_config=chain_op_config or ChainOpConfig(),
    )


def config_of_chain(chain_id: int, fork: Fork, timestamp: int) -> RollupConfig:
    """The registry's config of a chain, if there `fork` is the fork of that time; else one that is at `fork` from its first
    block (for chains that are not in the registry, or that activated forks in other ways).
    """
    try:
        config = chain_by_name(chain_id)
    except UnknownChainError:
        config = None
    if config is not None and config.fork_at(l2_timestamp=timestamp) is fork:
        return config
    return config_for_execution(chain_id, {scheduled: 0 for scheduled in SCHEDULED_FORKS if scheduled <= fork})
