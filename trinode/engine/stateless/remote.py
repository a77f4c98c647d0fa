"""What is asked of an untrusted execution client of the rollup (execution-apis: eth, debug; EIP-1186 for proofs, EIP-1898 for
blocks by hash).

Every answer is checked as far as it can be by itself; what it is then held against is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from trinode.engine.stateless.errors import RemoteBehind, RemoteFault, RemoteLies
from trinode.engine.stateless.witness_reply import RemoteWitness, hash_of, read_witness
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import EndpointError, NotFoundError, Read, WrongAnswerError
from trinode.jsonrpc.replies import JsonObject, header_of, raw_transaction_of
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import ordered_trie_root
from trinode.protocol.types import Address, Hash32
from trinode.rollup.json_fields import to_hex

T = TypeVar("T")

WITNESS_METHOD = "debug_executionWitness"


class RemoteProof(NamedTuple):
    """What came in answer to eth_getProof: nodes by their hashes, and what is said to be the account's storage root."""

    nodes: dict[Hash32, bytes]
    storage_root: Hash32


class RemoteL2:
    """One execution client. All methods raise RemoteFault, and RemoteLies where what came is not what its hash says."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc

    @property
    def name(self) -> str:
        """Role and host, for errors."""
        return self._rpc.name

    async def witness(self, number: int) -> RemoteWitness:
        """What the execution of the remote's block of that number read."""
        return await self._ask(WITNESS_METHOD, [hex(number)], read_witness, _block(number))

    async def header(self, number: int) -> KnownHeader:
        """The remote's block of that number, or RemoteBehind."""
        method = "eth_getBlockByNumber"
        found = await self._ask(method, [hex(number), False], _read_header, _block(number))
        if found is None:
            raise RemoteBehind(self.name, method, "", _block(number), "the remote does not have it yet")
        if found.header.number != number:
            raise RemoteLies(self.name, method, "number", _block(number), f"it is that of block {found.header.number}")
        return found

    async def header_by_hash(self, block_hash: Hash32) -> KnownHeader | None:
        """The block with that hash; None: the remote does not have it."""
        method = "eth_getBlockByHash"
        found = await self._ask(method, [to_hex(block_hash), False], _read_header, _block(block_hash))
        if found is not None and found.hash != block_hash:
            raise RemoteLies(self.name, method, "hash", _block(block_hash), f"what came hashes to 0x{found.hash.hex()}")
        return found

    async def block(self, number: int) -> KnownBlock | None:
        """The remote's whole block of that number; None: it has none."""
        return (await self.blocks([number]))[0]

    async def block_by_hash(self, block_hash: Hash32) -> KnownBlock | None:
        """The whole block with that hash; None: the remote does not have it."""
        method = "eth_getBlockByHash"
        found = await self._ask(method, [to_hex(block_hash), True], _read_block, _block(block_hash))
        if found is not None and found.hash != block_hash:
            raise RemoteLies(self.name, method, "hash", _block(block_hash), f"what came hashes to 0x{found.hash.hex()}")
        return found

    async def blocks(self, numbers: Sequence[int]) -> list[KnownBlock | None]:
        """The remote's whole blocks of those numbers, asked for at once; None: it has none."""
        method = "eth_getBlockByNumber"
        block = _block(numbers[0]) if len(numbers) == 1 else f"L2 blocks {numbers[0]} to {numbers[-1]}"
        params: list[list[Any]] = [[hex(number), True] for number in numbers]
        try:
            return await self._rpc.batch(method, params, _read_block)
        except EndpointError as error:
            raise self._fault(error, block) from error

    async def proof(self, block_hash: Hash32, address: Address, slots: Sequence[int]) -> RemoteProof:
        """Nodes towards an account, and some of its slots, in the state after a block."""
        params: list[Any] = [to_hex(address), [f"0x{slot:064x}" for slot in slots], {"blockHash": to_hex(block_hash)}]
        return await self._ask("eth_getProof", params, _read_proof, _block(block_hash))

    async def code(self, block_hash: Hash32, address: Address) -> bytes:
        """The code of an account in the state after a block."""
        return await self._ask("eth_getCode", [to_hex(address), {"blockHash": to_hex(block_hash)}], _read_bytes, _block(block_hash))

    async def preimage(self, digest: Hash32) -> bytes:
        """What the remote's database holds under a hash, where it keeps nodes so."""
        return await self._ask("debug_dbGet", [to_hex(digest)], _read_bytes, f"0x{digest.hex()}")

    async def _ask(self, method: str, params: list[Any], read: Read[T], block: str) -> T:
        try:
            return await self._rpc.call(method, params, read)
        except EndpointError as error:
            raise self._fault(error, block) from error

    def _fault(self, error: EndpointError, block: str) -> RemoteFault:
        if isinstance(error, NotFoundError):
            kind: type[RemoteFault] = RemoteBehind
        elif isinstance(error, WrongAnswerError) and error.field:
            kind = RemoteLies
        else:
            kind = RemoteFault
        return kind(self.name, error.method, error.field, block, error.message)


def _block(which: int | Hash32) -> str:
    return f"L2 block {which}" if isinstance(which, int) else f"L2 block 0x{which.hex()}"


def _known_header(fields: JsonObject) -> KnownHeader:
    header = header_of(fields)
    found = hash_of(header, "")
    if found != fields.data("hash", 32):
        fields.fail("hash", f"the header hashes to 0x{found.hex()}")
    return KnownHeader(header, found)


def _read_header(result: object) -> KnownHeader | None:
    return None if result is None else _known_header(JsonObject(result, ""))


def _read_block(result: object) -> KnownBlock | None:
    if result is None:
        return None
    fields = JsonObject(result, "")
    known = _known_header(fields)
    transactions = tuple([raw_transaction_of(transaction) for transaction in fields.objects("transactions")])
    if (root := ordered_trie_root(transactions)) != known.header.transactions_root:
        fields.fail("transactions", f"their root is 0x{root.hex()}, not 0x{known.header.transactions_root.hex()}")
    return KnownBlock(known.header, known.hash, transactions)


def _read_proof(result: object) -> RemoteProof:
    fields = JsonObject(result, "")
    nodes = _nodes(fields, "accountProof")
    for slot in fields.objects("storageProof"):
        nodes.update(_nodes(slot, "proof"))
    return RemoteProof(nodes, fields.data("storageHash", 32))


def _nodes(fields: JsonObject, name: str) -> dict[Hash32, bytes]:
    nodes = [JsonObject({"": item}, f"{name}[{index}]").data("") for index, item in enumerate(fields.items(name))]
    return {keccak256(node): node for node in nodes}


def _read_bytes(result: object) -> bytes:
    return JsonObject({"result": result}, "").data("result")
