"""Ethereum in the place of the OP Stack: its rules at every fork that our methods ask for, and a rollup config with its forks' times.

Our methods know rules by OP forks alone. While the cases run, each of those gives Ethereum's own rules of the same EVM: no L1 fee, no operator
fee, the base fee is burnt, nothing of the OP Stack stands in headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from harness.state_tests.rules import ethereum_rules
from trinode.execution import forks
from trinode.execution.rules import EvmFork, ExecutionRules
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.config_parts import ChainOpConfig, GenesisConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.system_config import SystemConfig

_NO_ADDRESS = bytes(20)
_NAMES = {EvmFork.SHANGHAI: "shanghaiTime", EvmFork.CANCUN: "cancunTime", EvmFork.PRAGUE: "pragueTime", EvmFork.OSAKA: "osakaTime"}
_BLOB_SCHEDULE = (("bpo2", "bpo2Time"), ("bpo1", "bpo1Time"), ("osaka", "osakaTime"), ("prague", "pragueTime"), ("cancun", "cancunTime"))
_BASE_FEE_DENOMINATOR, _ELASTICITY = 8, 2


def evm_at(config: Mapping[str, Any], timestamp: int) -> EvmFork:
    """The EVM of a block after the merge; `config`: of genesis.json."""
    return max((evm for evm, name in _NAMES.items() if config[name] <= timestamp), default=EvmFork.PARIS)


def blob_update_fraction(config: Mapping[str, Any], timestamp: int) -> int:
    """How fast the blob base fee moves in a block since Cancun."""
    name = next(name for name, time in _BLOB_SCHEDULE if config[time] <= timestamp)
    return int(config["blobSchedule"][name]["baseFeeUpdateFraction"])


def rollup_config(config: Mapping[str, Any], genesis_hash: Hash32, genesis_time: int) -> RollupConfig:
    """A rollup config whose forks have the EVMs of `config` at their times."""
    genesis = GenesisConfig(
        l1=BlockId(0, bytes(32)),
        l2=BlockId(0, genesis_hash),
        l2_time=genesis_time,
        system_config=SystemConfig(batcher_address=_NO_ADDRESS, overhead=bytes(32), scalar=bytes(32), gas_limit=0),
    )
    times: dict[Fork, int] = {fork: max((config[name] for evm, name in _NAMES.items() if evm <= evm_of(fork)), default=0) for fork in _IMPLEMENTED}
    return RollupConfig(
        genesis=genesis,
        block_time=10,
        max_sequencer_drift=0,
        seq_window_size=0,
        channel_timeout=0,
        l1_chain_id=1,
        l2_chain_id=config["chainId"],
        batch_inbox_address=_NO_ADDRESS,
        deposit_contract_address=_NO_ADDRESS,
        l1_system_config_address=_NO_ADDRESS,
        fork_times=times,
        chain_op_config=ChainOpConfig(_ELASTICITY, _BASE_FEE_DENOMINATOR, _BASE_FEE_DENOMINATOR),
    )


def evm_of(fork: Fork) -> EvmFork:
    """The EVM that an OP fork has."""
    return forks.execution_rules_of(fork).evm


_IMPLEMENTED = tuple(fork for fork in SCHEDULED_FORKS if fork in forks._APPLY)


@contextmanager
def rules_of_ethereum() -> Iterator[None]:
    """All that is executed is executed by Ethereum's rules."""
    rules = {fork: _without_op(fork) for fork in (Fork.BEDROCK, *_IMPLEMENTED)}
    replaced = {fork: lambda _, fork=fork: rules[fork] for fork in rules}
    with patch.dict(forks._APPLY, replaced):
        forks.execution_rules_of.cache_clear()
        try:
            yield
        finally:
            forks.execution_rules_of.cache_clear()


def _without_op(fork: Fork) -> ExecutionRules:
    return replace(
        ethereum_rules(evm_of(fork)),
        deposit_receipt_version=None,
        canyon_base_fee_denominator=False,
        eip1559_params=False,
        min_base_fee=False,
        da_footprint=False,
    )
