"""A second trinode that follows a devnet: over L1 alone, or with the devnet's node as a peer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from harness.peers.devnet_files import devnet_genesis
from harness.peers.process import call
from harness.peers.trinode_node import TrinodeNode
from trinode.devnet.genesis import l1_chain_config
from trinode.rollup.config import parse_rollup_config


def devnet_verifier(devnet: TrinodeNode, folder: Path, options: Mapping[str, object]) -> TrinodeNode:
    """A node of the devnet's chain that is not started yet. `options`: more of its options, or others, by their names."""
    config = parse_rollup_config(call(devnet.address("rpc"), "optimism_rollupConfig"))
    files = {"rollup.config": config.to_json(), "rollup.l1-chain-config": l1_chain_config().to_json(), "genesis": devnet_genesis(config)}
    paths = {name: folder.parent / f"{folder.name}-{name}.json" for name in files}
    for name, content in files.items():
        paths[name].write_text(json.dumps(content))
    l1 = devnet.address("devnet.l1")
    return TrinodeNode(folder, {**paths, "l1": l1, "l1.beacon": l1, "l1.http-poll-interval": "500ms", "l1.epoch-poll-interval": "1s", **options})
