"""What is asked of an untrusted execution client of the rollup (execution-apis: eth, debug; EIP-1186 for proofs, EIP-1898 for
blocks by hash).

Every answer is checked as far as it can be by itself; what it is then held against is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import trio

from trinode.engine.stateless.errors import RemoteBehind, RemoteFault, RemoteLies
from trinode.engine.stateless.proof_reply import WantedProof, check_proof, nodes_of, read_proof
from trinode.engine.stateless.witness_reply import RemoteWitness, hash_of, read_witness
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import EndpointError, NotFoundError, Read, WrongAnswerError
from trinode.jsonrpc.replies import JsonObject, RpcJsonError, header_of, raw_receipt_of, raw_transaction_of
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Receipt, decode_receipt
from trinode.protocol.trie import ordered_trie_root
from trinode.protocol.types import Address, Hash32
from trinode.rollup.json_fields import to_hex

T = TypeVar("T")

WITNESS_METHOD = "debug_executionWitness"
PROOF_METHOD = "eth_getProof"
CODE_METHOD = "eth_getCode"

_PLENTY = 1 << 200
"""Wei, of who pays for a message that is only tried."""


class RemoteProof(NamedTuple):
    """What came in answer to eth_getProof: nodes by their hashes, and what is said to be the account's storage root."""

    nodes: dict[Hash32, bytes]
    storage_root: Hash32


class WantedCode(NamedTuple):
    """The code of an account, of which the hash is proved."""

    address: Address
    code_hash: Hash32


class ToldPlace(NamedTuple):
    """Where a transaction is said to stand."""

    block_hash: Hash32
    position: int


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
        block = _block(numbers[0]) if len(numbers) == 1 else f"L2 blocks {numbers[0]} to {numbers[-1]}"
        return await self._ask_all("eth_getBlockByNumber", [[hex(number), True] for number in numbers], _read_block, block)

    async def proof(self, block_hash: Hash32, address: Address, slots: Sequence[int]) -> RemoteProof:
        """Nodes towards an account, and some of its slots, in the state after a block."""
        params: list[Any] = [to_hex(address), [f"0x{slot:064x}" for slot in slots], {"blockHash": to_hex(block_hash)}]
        return await self._ask(PROOF_METHOD, params, _read_proof, _block(block_hash))

    async def code(self, block_hash: Hash32, address: Address) -> bytes:
        """The code of an account in the state after a block."""
        return await self._ask(CODE_METHOD, [to_hex(address), {"blockHash": to_hex(block_hash)}], _read_bytes, _block(block_hash))

    async def proofs(self, block: KnownHeader, wanted: Sequence[WantedProof]) -> dict[Hash32, bytes]:
        """Nodes from the state root of a block to all that is wanted, by hash. RemoteLies if a proof does not hold, or not what is told beside."""
        place = _place(block)
        params: list[list[Any]] = [
            [to_hex(each.address), [f"0x{slot:064x}" for slot in each.slots], {"blockHash": to_hex(block.hash)}] for each in wanted
        ]
        claimed = await self._ask_all(PROOF_METHOD, params, read_proof, place)

        def check() -> dict[Hash32, bytes]:
            found: dict[Hash32, bytes] = {}
            for proof, each in zip(claimed, wanted, strict=True):
                try:
                    found.update(check_proof(proof, block.header.state_root, each))
                except RpcJsonError as error:
                    said = f"account 0x{each.address.hex()}: {error.message}"
                    raise RemoteLies(self.name, PROOF_METHOD, error.field, place, said) from error
            return found

        return await trio.to_thread.run_sync(check)

    async def codes(self, block: KnownHeader, wanted: Sequence[WantedCode]) -> dict[Hash32, bytes]:
        """Codes by hash. RemoteLies if one is another."""
        place = _place(block)
        params: list[list[Any]] = [[to_hex(each.address), {"blockHash": to_hex(block.hash)}] for each in wanted]
        found = await self._ask_all(CODE_METHOD, params, _read_bytes, place)
        for code, each in zip(found, wanted, strict=True):
            if (digest := keccak256(code)) != each.code_hash:
                said = f"account 0x{each.address.hex()}: its {len(code)} bytes hash to 0x{digest.hex()}, 0x{each.code_hash.hex()} is proved"
                raise RemoteLies(self.name, CODE_METHOD, "result", place, said)
        return {each.code_hash: code for code, each in zip(found, wanted, strict=True)}

    async def receipts(self, block: KnownHeader) -> tuple[Receipt, ...]:
        """A block's receipts, as far as its receipts root holds them: not deposits' nonces before Canyon."""
        method = "eth_getBlockReceipts"
        raw = await self._ask(method, [to_hex(block.hash)], _read_receipts, _place(block))
        if (root := ordered_trie_root(raw)) != block.header.receipts_root:
            said = f"their root is 0x{root.hex()}, not 0x{block.header.receipts_root.hex()}"
            raise RemoteLies(self.name, method, "result", _place(block), said)
        return tuple([decode_receipt(each) for each in raw])

    async def place_of(self, transaction_hash: Hash32) -> ToldPlace | None:
        """Where a transaction is said to stand; None: in no block. Not verified, no more than that it is nowhere."""
        return await self._ask("eth_getTransactionByHash", [to_hex(transaction_hash)], _read_place, f"transaction 0x{transaction_hash.hex()}")

    async def access_list(self, block: KnownHeader, message: dict[str, Any]) -> list[WantedProof]:
        """What a message is said to touch. Not verified: of use to fetch proofs ahead."""
        # The remote adds a fee, which the sender need not have.
        rich = {message["from"]: {"balance": hex(_PLENTY)}}
        params: list[Any] = [message, {"blockHash": to_hex(block.hash)}, rich]
        return await self._ask("eth_createAccessList", params, _read_access_list, _place(block))

    async def preimage(self, digest: Hash32) -> bytes:
        """What the remote's database holds under a hash, where it keeps nodes so."""
        return await self._ask("debug_dbGet", [to_hex(digest)], _read_bytes, f"0x{digest.hex()}")

    async def _ask(self, method: str, params: list[Any], read: Read[T], block: str) -> T:
        try:
            return await self._rpc.call(method, params, read)
        except EndpointError as error:
            raise self._fault(error, block) from error

    async def _ask_all(self, method: str, params: list[list[Any]], read: Read[T], block: str) -> list[T]:
        try:
            return await self._rpc.batch(method, params, read)
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


def _place(block: KnownHeader) -> str:
    return f"L2 block {block.header.number} 0x{block.hash.hex()}"


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
    nodes = nodes_of(fields, "accountProof")
    for slot in fields.objects("storageProof"):
        nodes.update(nodes_of(slot, "proof"))
    return RemoteProof(nodes, fields.data("storageHash", 32))


def _read_receipts(result: object) -> list[bytes]:
    return [raw_receipt_of(receipt) for receipt in JsonObject({"result": result}, "").objects("result")]


def _read_place(result: object) -> ToldPlace | None:
    if result is None:
        return None
    fields = JsonObject(result, "")
    return ToldPlace(fields.data("blockHash", 32), fields.quantity("transactionIndex")) if fields.has("blockHash") else None


def _read_access_list(result: object) -> list[WantedProof]:
    entries = JsonObject(result, "").objects("accessList")
    return [
        WantedProof(entry.data("address", 20), tuple([int.from_bytes(slot, "big") for slot in entry.words("storageKeys")])) for entry in entries
    ]


def _read_bytes(result: object) -> bytes:
    return JsonObject({"result": result}, "").data("result")
