"""Headers on disk: what a killed process leaves, what is dropped, whose folder it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.engine.block_tree import Blocks
from trinode.engine.stateless.errors import AnchorRefused
from trinode.engine.stateless.headers import FINALIZED, SAFE, HeaderChain, KeptBlocks
from trinode.execution.block import ExecutedBlock
from trinode.protocol.block import KnownBlock
from trinode.storage.identity import ChainIdentity

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.unit.engine.stateless.test_header_chain import adopt_until_killed
adopt_until_killed(Path(sys.argv[1]))
"""


def known(block: ExecutedBlock) -> KnownBlock:
    return KnownBlock(block.header, block.hash, block.transactions)


def begun(folder: Path, blocks: Blocks, kept: KeptBlocks | None = None) -> HeaderChain:
    chain = HeaderChain(folder, blocks.identity, kept)
    if chain.is_empty:
        chain.begin(KnownBlock(blocks.genesis.header, blocks.genesis.hash, ()))
    return chain


def adopt_until_killed(folder: Path) -> None:
    """Twenty blocks, the last five taken back for three others; then the process dies with everything open."""
    blocks = Blocks()
    chain = begun(folder, blocks)
    made = blocks.chain(blocks.genesis.hash, 20)
    for block in made:
        chain.adopt(block.header.number - 1, [known(block)], {SAFE: block.header.parent_hash})
    others = blocks.chain(made[14].hash, 3)
    chain.adopt(15, [known(block) for block in others], {FINALIZED: made[9].hash})
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_leaves_the_chain_as_it_was_last(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "x")], cwd=Path(__file__).parents[4], check=False)
    assert done.returncode == -signal.SIGKILL
    blocks = Blocks()
    chain = begun(tmp_path / "x", blocks)
    made = blocks.chain(blocks.genesis.hash, 20)
    others = blocks.chain(made[14].hash, 3)
    assert chain.head.hash == others[-1].hash
    for block in [*made[:15], *others]:
        assert chain.canonical_hash(block.header.number) == block.hash
        assert chain.block(block.hash) == known(block)
    assert chain.canonical_hash(19) is None
    assert chain.header(made[15].hash) is None
    assert chain.label(SAFE) is None  # its block was taken back
    finalized = chain.label(FINALIZED)
    assert finalized is not None and finalized.hash == made[9].hash
    chain.close()


def test_what_is_old_is_dropped_but_not_what_is_not_final(tmp_path: Path) -> None:
    blocks = Blocks()
    chain = begun(tmp_path / "x", blocks, KeptBlocks(headers=6, bodies=3))
    made = blocks.chain(blocks.genesis.hash, 20)
    for block in made[:10]:
        chain.adopt(block.header.number - 1, [known(block)], {})
    assert chain.oldest == 0
    assert chain.block(made[6].hash) is not None
    assert chain.block(made[5].hash) is None
    assert chain.header(made[5].hash) is not None
    for block in made[10:]:
        chain.adopt(block.header.number - 1, [known(block)], {FINALIZED: block.header.parent_hash})
    assert chain.oldest == 14
    assert chain.canonical_hash(13) is None
    assert chain.header(made[12].hash) is None
    assert chain.header(made[13].hash) is not None
    chain.close()


def test_a_folder_is_one_chains(tmp_path: Path) -> None:
    blocks = Blocks()
    begun(tmp_path / "x", blocks).close()
    with pytest.raises(AnchorRefused, match="use another folder"):
        HeaderChain(tmp_path / "x", ChainIdentity(10, blocks.genesis.hash))
    begun(tmp_path / "x", blocks).close()
