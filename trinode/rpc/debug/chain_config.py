"""The chain's configuration as op-geth keeps it: its forks by Ethereum's names and by those of the OP Stack (debug_chainConfig)."""

from __future__ import annotations

from typing import Any

from trinode.jsonrpc.declared import Schema
from trinode.jsonrpc.kinds import object_of
from trinode.rollup.config import ChainOpConfig, RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.json_fields import to_hex

_FROM_THE_BEGINNING = ("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul", "muirGlacier")
_WITH_BEDROCK = ("london", "arrowGlacier", "grayGlacier", "mergeNetsplit")
_BERLIN = {10: 3_950_000}
"""Where a chain got Berlin's rules before Bedrock, by chain id: OP Mainnet's Legacy Geth did."""
_OF_ETHEREUM = {Fork.CANYON: "shanghai", Fork.ECOTONE: "cancun", Fork.ISTHMUS: "prague", Fork.KARST: "osaka"}
_NOT_GETHS = frozenset((Fork.BEDROCK, Fork.DELTA))
"""Bedrock is told by its block; Delta changes nothing in execution."""

CHAIN_CONFIG: Schema = object_of(
    {"chainId": {"type": "integer"}, "optimism": {"type": "object"}},
    optional={f"{name}Block": {"type": "integer", "minimum": 0} for name in (*_FROM_THE_BEGINNING, "berlin", *_WITH_BEDROCK, "bedrock")}
    | {f"{fork.label}Time": {"type": "integer", "minimum": 0} for fork in Fork if fork not in _NOT_GETHS}
    | {f"{name}Time": {"type": "integer", "minimum": 0} for name in _OF_ETHEREUM.values()},
)


def chain_config_object(config: RollupConfig) -> dict[str, Any]:
    """op-geth's object. Fork times in seconds; forks that are not scheduled are left out."""
    bedrock = config.genesis.l2.number
    result: dict[str, Any] = {"chainId": config.l2_chain_id}
    result |= {f"{name}Block": 0 for name in _FROM_THE_BEGINNING}
    result["berlinBlock"] = _BERLIN.get(config.l2_chain_id, bedrock)
    result |= {f"{name}Block": bedrock for name in _WITH_BEDROCK}
    result |= {f"{name}Time": config.fork_times[fork] for fork, name in _OF_ETHEREUM.items() if fork in config.fork_times}
    result["bedrockBlock"] = bedrock
    result |= {f"{fork.label}Time": time for fork, time in config.fork_times.items() if fork not in _NOT_GETHS}
    result |= {"terminalTotalDifficulty": 0, "depositContractAddress": to_hex(bytes(20))}
    return result | {"optimism": (config.chain_op_config or ChainOpConfig()).to_json()}
