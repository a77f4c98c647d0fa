"""A chain whose forks come while it runs, from Regolith to Karst, over the L1 of a devnet: nobody posts batches for it, so all its blocks are
unsafe (specification: rollup-node-p2p; superchain-upgrades).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.peers.geth_config import geth_rollup_config
from harness.peers.process import call
from trinode.devnet.genesis import l1_chain_config
from trinode.execution.genesis import build_genesis, parse_genesis
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork
from trinode.rollup.l1_chain import L1ChainConfig

_INBOX = b"\xff" + bytes(17) + b"\x07\x77"
"""Not the devnet's: what its batcher posts is of another chain."""
TURNS = (Fork.CANYON, Fork.ECOTONE, Fork.ISTHMUS)
"""The forks with which blocks are of another topic."""


@dataclass(frozen=True, slots=True)
class ForkChain:
    """Its files are those that nodes are started with."""

    config: RollupConfig
    l1_chain: L1ChainConfig
    genesis: Mapping[str, Any]

    def write(self, folder: Path) -> dict[str, Path]:
        """The files of it, by our node's options that take them."""
        contents = {"rollup.config": self.config.to_json(), "rollup.l1-chain-config": self.l1_chain.to_json(), "genesis": self.genesis}
        paths = {name: folder / f"chain-{name}.json" for name in contents}
        for name, content in contents.items():
            paths[name].write_text(json.dumps(content))
        return paths


def fork_chain(devnet: RollupConfig, l1: str, state: Mapping[str, Any], *, first: int, between: int) -> ForkChain:
    """A chain that begins after the newest block of the devnet's L1 (an URL), with a block a second, and the genesis state of the genesis.json
    `state`. `first`: seconds to Canyon; `between`: from there to Ecotone, to Isthmus, and to the forks after it.
    """
    block = call(l1, "eth_getBlockByNumber", "latest", False)
    origin = BlockId(int(block["number"], 16), bytes.fromhex(block["hash"][2:]))
    begin = int(block["timestamp"], 16)
    times: dict[Fork, int] = {}
    for fork in SCHEDULED_FORKS:
        if fork <= Fork.KARST:
            turn = sum(fork >= each for each in TURNS) + (fork > Fork.ISTHMUS)
            times[fork] = begin + first + between * (turn - 1) if turn else 0
    config = replace(
        devnet,
        genesis=replace(devnet.genesis, l1=origin, l2_time=begin),
        block_time=1,
        batch_inbox_address=_INBOX,
        fork_times=times,
    )
    genesis = {**state, "timestamp": hex(begin), "config": geth_rollup_config(config)}
    first_block = build_genesis(parse_genesis(genesis), config)
    system_config = replace(config.genesis.system_config, gas_limit=first_block.header.gas_limit)
    return ForkChain(
        replace(config, genesis=replace(config.genesis, l2=BlockId(0, first_block.hash), system_config=system_config)), l1_chain_config(), genesis
    )
