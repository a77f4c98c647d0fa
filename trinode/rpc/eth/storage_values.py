"""eth_getStorageValues (execution-apis: eth/state): slots of several accounts at once; and eth_pendingTransactions, which is about the node's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trinode.execution.state import StateReader
from trinode.jsonrpc.declared import Declared, Kind, Param, declare
from trinode.jsonrpc.fields import InvalidParams, kind, parse_data, parse_list
from trinode.jsonrpc.kinds import HASH, HASH_RESULT, hex_of, list_of
from trinode.jsonrpc.requests import INVALID_PARAMS, RpcError
from trinode.protocol.types import Address
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.block_names import LATEST, BlockName
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.kinds import BLOCK_NAME
from trinode.rpc.eth.schemas import TRANSACTION
from trinode.rpc.eth.workers import Workers

MOST_SLOTS = 1024
_LIMIT_EXCEEDED = -38026

Wanted = Mapping[Address, Sequence[int]]


def _parse(value: object, path: str) -> Wanted:
    if not isinstance(value, dict):
        raise InvalidParams(path, f"an object was expected, not {kind(value)}")
    wanted, count = {}, 0
    for name, slots in value.items():
        where = f"{path}.{name[:42]}"
        given = [] if slots is None else parse_list(slots, where)
        count += len(given)
        if count > MOST_SLOTS:
            raise RpcError(_LIMIT_EXCEEDED, f"too many slots (max {MOST_SLOTS})")
        parsed = [parse_data(each, f"{where}[{index}]", 32) for index, each in enumerate(given)]
        wanted[parse_data(name, path, 20)] = [int.from_bytes(each, "big") for each in parsed]
    if not count:
        raise RpcError(INVALID_PARAMS, "empty request")
    return wanted


WANTED: Kind[Wanted] = Kind(
    {
        "title": "SlotsByAddress",
        "type": "object",
        "propertyNames": hex_of(20),
        "additionalProperties": {"type": "array", "items": HASH.schema, "maxItems": MOST_SLOTS},
        "minProperties": 1,
    },
    _parse,
)


class StorageValueMethods:
    """What op-geth has of late."""

    def __init__(self, chain: Chain, workers: Workers) -> None:
        self._chain = chain
        self._workers = workers
        self.methods: dict[str, Declared] = {
            "eth_getStorageValues": declare(
                self._get,
                "Values of slots of several accounts",
                Param("slots", WANTED),
                Param("block", BLOCK_NAME, required=False, default=LATEST),
                result={"type": "object", "additionalProperties": list_of(HASH_RESULT)},
            ),
            "eth_pendingTransactions": declare(
                self._pending, "None: transactions of the node's own accounts, of which there are none", result=list_of(TRANSACTION)
            ),
        }

    async def _get(self, wanted: Wanted, block: BlockName) -> dict[str, list[str]]:
        return await self._workers.read(lambda: _values(self._chain.state(block)[1], wanted))

    async def _pending(self) -> list[dict[str, str]]:
        return []


def _values(state: StateReader, wanted: Wanted) -> dict[str, list[str]]:
    return {to_hex(address): [f"{state.storage(address, slot):#066x}" for slot in slots] for address, slots in wanted.items()}
