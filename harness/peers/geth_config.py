"""Chain configurations as geth and op-geth write them: which forks are when."""

from __future__ import annotations

from typing import Any

from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.l1_chain import L1ChainConfig

_BEFORE = ("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul", "muirGlacier", "berlin", "london")
_ETHEREUM = {Fork.CANYON: "shanghai", Fork.ECOTONE: "cancun", Fork.ISTHMUS: "prague", Fork.KARST: "osaka"}


def geth_chain_config(chain: L1ChainConfig) -> dict[str, Any]:
    """The `config` of an L1's genesis.json, as geth and op-node read it: Ethereum by the merge at the latest, and then by time."""
    result = _merged(chain.chain_id) | {"shanghaiTime": 0, "cancunTime": 0}
    result |= {f"{entry.name}Time": entry.time for entry in chain.blob_schedule}
    times = {"pragueTime": chain.prague_time, "osakaTime": chain.osaka_time}
    result |= {name: time for name, time in times.items() if time is not None}
    result["blobSchedule"] = {
        entry.name: {"target": entry.target, "max": entry.max, "baseFeeUpdateFraction": entry.update_fraction} for entry in chain.blob_schedule
    }
    return result


def geth_rollup_config(config: RollupConfig) -> dict[str, Any]:
    """A rollup's forks as op-geth's genesis.json has them, with the forks of Ethereum that come with them."""
    result = _merged(config.l2_chain_id) | {"bedrockBlock": 0}
    for fork in SCHEDULED_FORKS:
        time = config.fork_times.get(fork)
        if time is not None and fork is not Fork.DELTA:
            result[f"{fork.label}Time"] = time
            if fork in _ETHEREUM:
                result[f"{_ETHEREUM[fork]}Time"] = time
    assert config.chain_op_config is not None
    return result | {"optimism": config.chain_op_config.to_json()}


def _merged(chain_id: int) -> dict[str, Any]:
    """Ethereum after the merge from genesis on."""
    return {"chainId": chain_id, "terminalTotalDifficulty": 0, "mergeNetsplitBlock": 0} | {f"{name}Block": 0 for name in _BEFORE}
