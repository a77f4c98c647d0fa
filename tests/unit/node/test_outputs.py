"""Where the storage root in an output comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.execution.chain_files import read_chain_file
from harness.execution.run import genesis_of
from tests.shared import shared
from trinode.execution.block import MESSAGE_PASSER
from trinode.execution.errors import MissingState
from trinode.node.outputs import withdrawal_root_of_header, withdrawal_roots_by_proof, withdrawal_roots_of
from trinode.protocol.block import KnownHeader
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address, Hash32
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store


async def test_a_proof_tells_what_the_tries_tell_and_a_false_one_nothing(tmp_path: Path) -> None:
    case = read_chain_file(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    genesis = genesis_of(case.path, case.genesis, case.config)
    header = KnownHeader(genesis.header, genesis.hash)
    nodes = genesis.tries.account_proof(MESSAGE_PASSER, ()).nodes
    asked = []

    async def prove(address: Address, block_hash: Hash32) -> tuple[bytes, ...]:
        asked.append((address, block_hash))
        return tuple(nodes)

    async def prove_less(address: Address, block_hash: Hash32) -> tuple[bytes, ...]:
        return tuple(nodes[:-1])

    with Store.create(tmp_path / "chain", ChainIdentity(901, genesis.hash), genesis, history=None) as store:
        told = await withdrawal_roots_of(store)(header)
    assert await withdrawal_roots_by_proof(prove)(header) == told != EMPTY_TRIE_ROOT
    assert asked == [(MESSAGE_PASSER, genesis.hash)]
    with pytest.raises(MissingState):
        await withdrawal_roots_by_proof(prove_less)(header)
    with pytest.raises(LookupError, match="before Isthmus"):
        await withdrawal_root_of_header(header)
