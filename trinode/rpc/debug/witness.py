"""Execution witnesses, and preimages of hashes (op-geth: debug_executionWitness, debug_dbGet, debug_preimage).

A stateless node asks for these. Ours goes on where a witness of op-geth's ends: it has the way to accounts that are not there, and the nodes
beside those that a block deletes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trinode.execution.block import BlockExecutor, Parent
from trinode.execution.errors import MissingState
from trinode.execution.evm.engine import FastEngine
from trinode.execution.state import EMPTY_CODE_HASH
from trinode.execution.trie.witness import WitnessRecorder
from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.header_object import whole_header_object
from trinode.jsonrpc.kinds import ANY_OBJECT, DATA_RESULT, HASH, NULL_RESULT, STRING, list_of, object_of
from trinode.protocol.block import KnownBlock
from trinode.protocol.header import decode_header, header_hash
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.blocks import required_block, shown
from trinode.rpc.debug.limits import DebugLimits
from trinode.rpc.debug.raw import find_raw_transaction
from trinode.rpc.eth.block_names import BlockName
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import server_error
from trinode.rpc.eth.kinds import BLOCK_HASH, BLOCK_NAME
from trinode.rpc.eth.workers import Workers
from trinode.storage.store import Store

_WITNESS = object_of({"headers": list_of(ANY_OBJECT), "codes": list_of(DATA_RESULT), "state": list_of(DATA_RESULT), "keys": NULL_RESULT})


class WitnessMethods:
    """What a stateless node needs of the states of `store`. Nodes of witnesses can be asked for by their hashes for a while."""

    def __init__(self, config: RollupConfig, store: Store, workers: Workers, limits: DebugLimits) -> None:
        self._chain = Chain(config, store)
        self._store = store
        self._workers = workers
        self._kept = KeptNodes(limits.kept_nodes)
        what = "What the execution of a block needs of the state before it"
        self.methods: dict[str, Declared] = {
            "debug_dbGet": declare(self._db_get, "The trie node or code with that hash", Param("key", STRING), result=DATA_RESULT),
            "debug_executionWitness": declare(self._witness, what, Param("block", BLOCK_NAME), result=_WITNESS),
            "debug_executionWitnessByBlockHash": declare(self._witness, what, Param("hash", BLOCK_HASH), result=_WITNESS),
            "debug_preimage": declare(
                self._preimage, "What has that hash: a trie node, a code, a header or a transaction", Param("hash", HASH), result=DATA_RESULT
            ),
        }

    async def _witness(self, name: BlockName) -> dict[str, Any]:
        def make() -> tuple[WitnessRecorder, dict[str, Any]]:
            known = required_block(self._chain, name)
            if known.header.number == 0:
                raise server_error(f"block {shown(name)} found, but parent missing")
            recorder = record_witness(self._chain.config, self._store, self._chain.block(known))
            return recorder, witness_object(recorder)

        recorder, result = await self._workers.call(make, "witness")
        self._kept.add(recorder.nodes_read)
        return result

    async def _db_get(self, key: str) -> str:
        found = await self._workers.read(lambda: self._node_or_code(_hash_of(key)))
        if found is None:
            raise server_error("not found")
        return to_hex(found)

    async def _preimage(self, digest: Hash32) -> str:
        def read() -> bytes | None:
            found = self._node_or_code(digest) or find_raw_transaction(self._chain, digest)
            return self._header(digest) if found is None else found

        found = await self._workers.read(read)
        if found is None:
            raise server_error("unknown preimage")
        return to_hex(found)

    def _node_or_code(self, digest: Hash32) -> bytes | None:
        if digest == EMPTY_CODE_HASH:
            return b""
        found = self._kept.get(digest)
        if found is not None:
            return found
        try:
            return self._store.state_at(self._store.head.hash).code(digest)
        except MissingState:
            return None

    def _header(self, block_hash: Hash32) -> bytes | None:
        try:
            return self._store.blocks.header_rlp(block_hash)
        except MissingState:
            return None


class KeptNodes:
    """Trie nodes by their hashes, at most so many bytes of them: the oldest are dropped first. Only `get` is for other threads."""

    def __init__(self, most_bytes: int) -> None:
        self._free = most_bytes
        self._nodes: dict[Hash32, bytes] = {}

    def add(self, nodes: Mapping[Hash32, bytes]) -> None:
        """Keeps nodes."""
        for digest, rlp in nodes.items():
            self._free += len(self._nodes.pop(digest, b"")) - len(rlp)
            self._nodes[digest] = rlp
        while self._free < 0:
            self._free += len(self._nodes.pop(next(iter(self._nodes))))

    def get(self, digest: Hash32) -> bytes | None:
        """The node with that hash; None: it is not kept."""
        return self._nodes.get(digest)


def record_witness(config: RollupConfig, store: Store, block: KnownBlock) -> WitnessRecorder:
    """Executes a block on the state before it; what was read. Raises MissingState, UnknownFork."""
    recorder = store.recorder_at(block.header.parent_hash)
    # An engine that has seen a code before does not read it again: each witness has an engine of its own.
    executor = BlockExecutor(config, FastEngine())
    executor.check(Parent(recorder.parent, block.header.parent_hash, recorder, recorder.tries), block.header, block.transactions)
    return recorder


def witness_object(recorder: WitnessRecorder) -> dict[str, Any]:
    """op-geth's object: the parent's header first and then those before it, codes, nodes; `keys` has no use, and is null."""
    headers = [recorder.parent, *[decode_header(rlp) for rlp in recorder.headers_read.values()]]
    by_hash = {header_hash(header): header for header in headers}
    shown_headers = [whole_header_object(header, digest) for digest, header in by_hash.items()]
    return {"headers": shown_headers, "codes": _hex(recorder.codes_read.values()), "state": _hex(recorder.nodes_read.values()), "keys": None}


def _hex(items: Iterable[bytes]) -> list[str]:
    return [to_hex(item) for item in items]


def _hash_of(key: str) -> bytes:
    """Hex of any length is a key; what is none is one too, and stands for nothing here."""
    try:
        return bytes.fromhex(key.removeprefix("0x"))
    except ValueError:
        return key.encode()
