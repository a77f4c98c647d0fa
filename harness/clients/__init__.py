"""Ethereum developers' client libraries, run against the node: scripts of viem, ethers, web3.py and cast, and what runs them.

    day.mjs, trie.mjs     steps that are told one by one; block hashes and proofs checked with the client's own Keccak and RLP
    viem_*.mjs            viem, OP Stack actions included; ethers_*.mjs: ethers 6; web3_*.py: web3.py
    contracts             the contract that they use: its source, and what solc made of it (compile.mjs)
    install               puts the libraries into a folder; run: finds them there, and runs a script

`python -m harness.clients.install FOLDER` once, then `TRINODE_PEERS=FOLDER tox -e peers`.
"""

from __future__ import annotations

from pathlib import Path

SCRIPTS = Path(__file__).parent
"""The folder that the scripts and the lists of packages are in."""
