"""A full node that a stateless engine asks: blocks that were executed, with the states after all of them, behind JSON-RPC in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from tests.unit.engine.stateless.local_endpoint import LocalEndpoint
from trinode.engine.stateless.remote import RemoteL2
from trinode.execution.block import BlockExecutor, ExecutedBlock, Parent
from trinode.execution.engine import Engine
from trinode.execution.errors import MissingState
from trinode.execution.evm.engine import FastEngine
from trinode.execution.genesis import GenesisBlock
from trinode.execution.trie.nodes import Owner, Path, TrieNodes
from trinode.execution.trie.state_tries import StateTries
from trinode.execution.trie.witness import WitnessRecorder
from trinode.jsonrpc.block_object import block_object
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.header_object import header_object
from trinode.jsonrpc.requests import Method, RpcError
from trinode.protocol.block import KnownBlock
from trinode.protocol.header import encode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex

Json = dict[str, Any]
Damage = Callable[[Any], Any]


class Archive:
    """Nodes, codes and blocks of every state there was, by their hashes (a `NodeReader`)."""

    def __init__(self, genesis: GenesisBlock) -> None:
        self.nodes: dict[Hash32, bytes] = {}
        self.codes = dict(genesis.changes.codes)
        self.blocks = {genesis.hash: KnownBlock(genesis.header, genesis.hash, ())}
        self._add_nodes(genesis.nodes)

    def add(self, block: ExecutedBlock) -> None:
        self._add_nodes(block.nodes)
        self.codes.update(block.changes.codes)
        self.blocks[block.hash] = KnownBlock(block.header, block.hash, block.transactions)

    def _add_nodes(self, nodes: TrieNodes) -> None:
        self.nodes.update({keccak256(rlp): rlp for rlp in nodes.values() if rlp is not None})

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        if node_hash not in self.nodes:
            raise MissingState(f"no node 0x{node_hash.hex()}")
        return self.nodes[node_hash]

    def header_rlp(self, block_hash: Hash32) -> bytes:
        return encode_header(self.blocks[block_hash].header)

    def recorder(self, parent: Hash32) -> WitnessRecorder:
        return WitnessRecorder(self, self.codes.__getitem__, self.header_rlp, self.blocks[parent].header)


class ArchivingExecutor(BlockExecutor):
    """Keeps all that it executes."""

    def __init__(self, config: RollupConfig, engine: Engine, archive: Archive) -> None:
        super().__init__(config, engine)
        self.config = config
        self.archive = archive

    def build(self, parent: Parent, attributes: PayloadAttributes, pool: Iterable[bytes] = ()) -> ExecutedBlock:
        block = super().build(parent, attributes, pool)
        self.archive.add(block)
        return block


class Canonical(Protocol):
    """Which blocks are canonical; every engine knows."""

    async def block_by_number(self, number: int) -> KnownBlock | None: ...


class FullNode:
    """Answers as op-geth does (`as_maps`: as it did, and as some do). `damage`: what becomes of a method's result, by method name;
    `asked`: how often each method was.
    """

    def __init__(self, executor: ArchivingExecutor, canonical: Canonical, *, as_maps: bool = False, name: str = "http://full.example") -> None:
        self._executor = executor
        self.archive = executor.archive
        self._canonical = canonical
        self._as_maps = as_maps
        self.damage: dict[str, Damage] = {}
        self.asked: Counter[str] = Counter()
        self.lacks: set[str] = set()
        self._witnesses: dict[Hash32, Json] = {}
        self._name = name

    def remote(self) -> RemoteL2:
        methods: dict[str, Method] = {
            "debug_executionWitness": self._witness,
            "debug_dbGet": self._preimage,
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getProof": self._proof,
            "eth_getCode": self._code,
        }
        return RemoteL2(JsonRpc(LocalEndpoint(self._name, {name: self._answering(name, method) for name, method in methods.items()})))

    def _answering(self, name: str, method: Method) -> Method:
        async def call(params: list[Any]) -> Any:
            self.asked[name] += 1
            if name in self.lacks:
                raise RpcError(-32601, f"the method {name} does not exist/is not available")
            result = await method(params)
            return self.damage[name](result) if name in self.damage else result

        return call

    async def _by_number(self, text: str) -> KnownBlock | None:
        return await self._canonical.block_by_number(int(text, 16))

    def _at(self, params: Json) -> KnownBlock:
        block = self.archive.blocks.get(bytes.fromhex(params["blockHash"][2:]))
        if block is None:
            raise RpcError(-32000, "header not found")
        return block

    async def _witness(self, params: list[Any]) -> Json:
        block = await self._by_number(params[0])
        if block is None:
            raise RpcError(-32000, f"block number {int(params[0], 16)} not found")
        if block.hash not in self._witnesses:
            self._witnesses[block.hash] = witness_object(self._executor, block, as_maps=self._as_maps)
        return self._witnesses[block.hash]

    async def _block_by_number(self, params: list[Any]) -> Json | None:
        block = await self._by_number(params[0])
        return None if block is None else block_object(block, whole=params[1])

    async def _block_by_hash(self, params: list[Any]) -> Json | None:
        block = self.archive.blocks.get(bytes.fromhex(params[0][2:]))
        return None if block is None else block_object(block, whole=params[1])

    async def _proof(self, params: list[Any]) -> Json:
        tries = StateTries(self.archive, self._at(params[2]).header.state_root)
        proof = tries.account_proof(bytes.fromhex(params[0][2:]), [int(slot, 16) for slot in params[1]])
        storage = [{"key": hex(each.slot), "value": hex(each.value), "proof": _hex_all(each.nodes)} for each in proof.storage]
        return {"accountProof": _hex_all(proof.nodes), "storageHash": to_hex(proof.storage_root), "storageProof": storage}

    async def _code(self, params: list[Any]) -> str:
        account = StateTries(self.archive, self._at(params[1]).header.state_root).account(bytes.fromhex(params[0][2:]))
        return to_hex(b"" if account is None else self.archive.codes.get(account.code_hash, b""))

    async def _preimage(self, params: list[Any]) -> str:
        node = self.archive.nodes.get(bytes.fromhex(params[0][2:]))
        if node is None:
            raise RpcError(-32000, "not found")
        return to_hex(node)


def witness_object(executor: ArchivingExecutor, block: KnownBlock, *, as_maps: bool) -> Json:
    """What the execution of a block reads. Headers as objects in lists, as RLP with maps."""
    archive = executor.archive
    recorder = archive.recorder(block.header.parent_hash)
    parent = archive.blocks[block.header.parent_hash]
    # An engine that has seen a code before does not read it again, and the witness would lack it.
    fresh = BlockExecutor(executor.config, FastEngine())
    executed = fresh.check(Parent(parent.header, parent.hash, recorder, recorder.tries), block.header, block.transactions)
    assert executed.hash == block.hash
    preimages = {keccak256(preimage): preimage for preimage in recorder.preimages()}
    headers = [archive.blocks[digest].header for digest in preimages if digest in archive.blocks]
    headers = [parent.header, *[header for header in headers if header != parent.header]]
    state = {digest: data for digest, data in preimages.items() if digest in archive.nodes}
    codes = {digest: data for digest, data in preimages.items() if digest in archive.codes}
    if as_maps:
        rlp = _hex_all([encode_header(header) for header in reversed(headers)])
        return {"headers": rlp, "state": _hex_map(state), "codes": _hex_map(codes)}
    return {"headers": [header_object(header) for header in headers], "state": _hex_all([*state.values()]), "codes": _hex_all([*codes.values()])}


def _hex_all(items: Sequence[bytes]) -> list[str]:
    return [to_hex(item) for item in items]


def _hex_map(items: dict[Hash32, bytes]) -> dict[str, str]:
    return {to_hex(digest): to_hex(data) for digest, data in items.items()}
