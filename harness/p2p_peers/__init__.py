"""Implementations of the P2P network by others, run against the node: js-libp2p and @chainsafe/discv5 from npm, and real op-node.

    libp2p_peer.mjs, discv5_peer.mjs   one peer each, driven by lines of JSON
    install                            puts the packages into a folder; javascript: finds them there, and runs a peer
    fork_chain                         a chain whose forks come while it runs
    local_peer                         our own host and gossip without a node
    block_messages                     messages with blocks, right and mutated, by a seed

`python -m harness.p2p_peers.install FOLDER` once, then `TRINODE_PEERS=FOLDER tox -e peers`.
"""

from __future__ import annotations

from pathlib import Path

SCRIPTS = Path(__file__).parent
"""The folder that the scripts and the lists of packages are in."""
PACKAGES = "p2p"
"""Of TRINODE_PEERS: the folder with the packages, beside those of `harness.clients`."""
