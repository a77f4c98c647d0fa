"""eth_config (EIP-7910): what the forks of the chain bring, as far as tools compare it between nodes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

from trinode.execution.block import BEACON_ROOTS, HISTORY_STORAGE
from trinode.execution.forks import execution_rules_of
from trinode.jsonrpc.declared import Declared, Schema, declare
from trinode.jsonrpc.kinds import ADDRESS_RESULT, QUANTITY_RESULT, hex_of, or_null, record_of
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.block_names import LATEST
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.workers import Workers

_OP_MAINNET = 10
_OP_MAINNET_GENESIS: Hash32 = bytes.fromhex("7ca38a1916c42007829c55e69d3e9a73265554b586a499015373241b8a3fa48b")
_OP_MAINNET_BLOCKS = (3_950_000, 105_235_063)
"""What the rollup config does not have, and EIP-6122 counts: the genesis before Bedrock, and the numbers of the blocks of Berlin and Bedrock."""
_NOT_OF_EXECUTION = frozenset((Fork.DELTA,))
_PRECOMPILES = {
    1: "ECREC",
    2: "SHA256",
    3: "RIPEMD160",
    4: "ID",
    5: "MODEXP",
    6: "BN254_ADD",
    7: "BN254_MUL",
    8: "BN254_PAIRING",
    9: "BLAKE2F",
    0x0A: "KZG_POINT_EVALUATION",
    0x0B: "BLS12_G1ADD",
    0x0C: "BLS12_G1MSM",
    0x0D: "BLS12_G2ADD",
    0x0E: "BLS12_G2MSM",
    0x0F: "BLS12_PAIRING_CHECK",
    0x10: "BLS12_MAP_FP_TO_G1",
    0x11: "BLS12_MAP_FP2_TO_G2",
    0x100: "P256VERIFY",
}
_ADDRESSES: Schema = {"type": "object", "additionalProperties": ADDRESS_RESULT}
_FORK: Schema = record_of(
    "ForkConfig",
    {
        "activationTime": {"type": "integer", "minimum": 0},
        "blobSchedule": {"type": "null"},
        "chainId": QUANTITY_RESULT,
        "forkId": hex_of(4),
        "precompiles": _ADDRESSES,
        "systemContracts": _ADDRESSES,
    },
)


class ChainConfigMethods:
    """The forks that the node knows of."""

    def __init__(self, chain: Chain, workers: Workers) -> None:
        self._chain = chain
        self._workers = workers
        self.methods: dict[str, Declared] = {
            "eth_config": declare(
                self._config,
                "What the present fork, the next one and the last one that is scheduled bring",
                result=record_of("ChainConfig", {"current": _FORK, "next": or_null(_FORK), "last": or_null(_FORK)}),
            )
        }

    async def _config(self) -> dict[str, Any]:
        """By the head's time; `next` and `last` are null if nothing is to come."""
        return await self._workers.read(lambda: config_at(self._chain.config, self._chain.header(LATEST).header.timestamp))


def config_at(config: RollupConfig, timestamp: int) -> dict[str, Any]:
    """The answer when the head has that time."""
    times = fork_times(config)
    to_come = [time for time in times if time > timestamp]
    now = max((time for time in times if time <= timestamp), default=0)
    return {
        "current": _fork(config, times, now),
        "next": _fork(config, times, to_come[0]) if to_come else None,
        "last": _fork(config, times, to_come[-1]) if to_come else None,
    }


def fork_times(config: RollupConfig) -> list[int]:
    """When forks change how the chain executes blocks, after its genesis."""
    found = {time for fork, time in config.fork_times.items() if fork not in _NOT_OF_EXECUTION and time > config.genesis.l2_time}
    return sorted(found)


def fork_id(genesis: Hash32, forks: Iterable[int]) -> bytes:
    """FORK_HASH (EIP-2124, EIP-6122) of a chain that went through those forks, each a block's number or a time."""
    checksum = zlib.crc32(genesis)
    for each in forks:
        checksum = zlib.crc32(each.to_bytes(8, "big"), checksum)
    return checksum.to_bytes(4, "big")


def _fork(config: RollupConfig, times: list[int], activation: int) -> dict[str, Any]:
    """`activation` 0: what holds at genesis. There are no blobs on L2, and so no schedule of theirs."""
    rules = execution_rules_of(config.fork_at(l2_timestamp=max(activation, config.genesis.l2_time)))
    is_old = config.l2_chain_id == _OP_MAINNET
    genesis, blocks = (_OP_MAINNET_GENESIS, _OP_MAINNET_BLOCKS) if is_old else (config.genesis.l2.hash, ())
    contracts = {}
    if rules.parent_beacon_block_root:
        contracts["BEACON_ROOTS_ADDRESS"] = to_hex(BEACON_ROOTS)
    if rules.withdrawals_root_is_message_passer:
        contracts["HISTORY_STORAGE_ADDRESS"] = to_hex(HISTORY_STORAGE)
    return {
        "activationTime": activation,
        "blobSchedule": None,
        "chainId": hex(config.l2_chain_id),
        "forkId": to_hex(fork_id(genesis, (*blocks, *[time for time in times if time <= activation]))),
        "precompiles": {_PRECOMPILES[int.from_bytes(each, "big")]: to_hex(each) for each in sorted(rules.precompiles)},
        "systemContracts": contracts,
    }
