"""A recording served as L1, beacon, L2 and rollup node endpoints on one loopback port, with faults on demand."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

import h11
import msgspec
import trio

from harness.recording import RecordedL1Block, RecordedL2Block, RecordingHead, open_recording
from tests.rpc_objects import Json, block_object, data, receipt_objects
from trinode.protocol.block import L1Block
from trinode.protocol.header import Header
from trinode.protocol.keccak import keccak256
from trinode.protocol.output_root import output_root
from trinode.rollup.l2_block import L2Block

SECONDS_PER_SLOT = 1
GENESIS_TIME = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request: an HTTP status, silence, a closed connection, a JSON-RPC error, or a damaged result."""

    status: int = 0
    body: bytes = b"no"
    retry_after: str | None = None
    hang: bool = False
    hang_up: bool = False
    error: tuple[int, str] | None = None
    damage: Callable[[Any], Any] | None = None


class RpcFailureError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class HttpFailureError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class RecordedChains:
    """The final chains of a recording, asked the way real nodes are."""

    def __init__(self, path: Path) -> None:
        with open_recording(path, check=False) as reader:
            self.head: RecordingHead = reader.head
            items = list(reader)
        self.l1: dict[int, RecordedL1Block] = {}
        for item in items:
            if isinstance(item, RecordedL1Block):
                number = item.block.header.number
                self.l1 = {n: block for n, block in self.l1.items() if n < number} | {number: item}
        self.l2: dict[int, tuple[L2Block, Header]] = {}
        start = self.head.l2_start
        self.l2[start.header.number] = (start.block, start.header)
        self.recorded_l2 = {item.header.number: item for item in items if isinstance(item, RecordedL2Block)}
        self.l2 |= {number: (item.block, item.header) for number, item in self.recorded_l2.items()}
        self.safe: dict[int, int] = {}
        for number, item in self.recorded_l2.items():
            if item.derived_from is not None:
                self.safe[item.derived_from.number] = number
        self.has_blobs_route = self.has_sidecars_route = self.has_block_receipts = True
        self.other_receipts_methods: set[str] = set()
        self.labels: dict[str, int | None] = dict.fromkeys(("latest", "safe", "finalized"), max(self.l1))

    def rpc(self, service: str, method: str, params: list[Any]) -> Any:
        """The result of a JSON-RPC call; raises RpcFailureError."""
        handler = getattr(self, f"_{service}_{method}", None)
        if handler is None:
            raise RpcFailureError(-32601, f"the method {method} does not exist/is not available")
        return handler(*params)

    # ---- L1 ----

    def _l1_eth_chainId(self) -> str:  # noqa: N802
        return hex(self.head.rollup_config.l1_chain_id)

    def _l1_eth_getBlockByNumber(self, number: str, whole: bool) -> Json | None:  # noqa: N802
        wanted = self.labels[number] if number in self.labels else int(number, 16)
        if wanted is None:
            raise RpcFailureError(-39001, f"{number} block not found")
        newest = self.labels["latest"]
        found = self.l1.get(wanted) if newest is None or wanted <= newest else None
        return None if found is None else block_object(found.block.hash, found.block.header, found.block.transactions, whole=whole)

    def _l1_eth_getBlockByHash(self, name: str, whole: bool) -> Json | None:  # noqa: N802
        found = self._l1_block_of(name)
        return None if found is None else block_object(found.hash, found.header, found.transactions, whole=whole)

    def _l1_block_of(self, name: str) -> L1Block | None:
        return next((item.block for item in self.l1.values() if data(item.block.hash) == name), None)

    def _l1_eth_getBlockReceipts(self, block: str) -> list[Json] | None:  # noqa: N802
        if not self.has_block_receipts:
            raise RpcFailureError(-32601, "the method eth_getBlockReceipts does not exist")
        return self._receipts_of(block)

    def _receipts_of(self, block: str) -> list[Json] | None:
        found = self._l1_block_of(block)
        if found is None or found.receipts is None:
            return None
        return receipt_objects(found)

    def _other_receipts_method(self, name: str) -> None:
        if name not in self.other_receipts_methods:
            raise RpcFailureError(-32000, f"Unsupported method: {name}")

    def _l1_debug_getRawReceipts(self, block: str) -> list[str] | None:  # noqa: N802
        self._other_receipts_method("debug_getRawReceipts")
        found = self._l1_block_of(block)
        return None if found is None else [data(raw) for raw in found.receipts or ()]

    def _l1_alchemy_getTransactionReceipts(self, options: Json) -> Json | None:  # noqa: N802
        self._other_receipts_method("alchemy_getTransactionReceipts")
        return {"receipts": self._receipts_of(options["blockHash"])}

    def _l1_erigon_getBlockReceiptsByBlockHash(self, block: str) -> list[Json] | None:  # noqa: N802
        self._other_receipts_method("erigon_getBlockReceiptsByBlockHash")
        return self._receipts_of(block)

    def _l1_parity_getBlockReceipts(self, block: str) -> list[Json] | None:  # noqa: N802
        self._other_receipts_method("parity_getBlockReceipts")
        return self._receipts_of(block)

    def _l1_eth_getTransactionReceipt(self, name: str) -> Json | None:  # noqa: N802
        blocks = [item.block for item in self.l1.values() if item.block.receipts is not None]
        found = (block for block in blocks if any(data(keccak256(tx)) == name for tx in block.transactions))
        block = next(found, None)
        return None if block is None else next(one for one in receipt_objects(block) if one["transactionHash"] == name)

    def _l1_eth_getStorageAt(self, address: str, slot: str, block: str) -> str:  # noqa: N802
        """Of one account's storage alone: op-node asks the system config who signs unsafe blocks. A recording does not have the state."""
        if address.lower() != data(self.head.rollup_config.l1_system_config_address):
            raise RpcFailureError(-32000, "the recording has no state")
        return data(bytes(32))

    # ---- L2 ----

    def _l2_eth_chainId(self) -> str:  # noqa: N802
        return hex(self.head.rollup_config.l2_chain_id)

    def _l2_eth_getBlockByNumber(self, number: str, whole: bool) -> Json | None:  # noqa: N802
        found = self.l2.get(int(number, 16))
        return None if found is None else block_object(found[0].ref.hash, found[1], found[0].transactions, whole=whole)

    # ---- rollup node ----

    def _node_optimism_rollupConfig(self) -> Json:  # noqa: N802
        return self.head.rollup_config.to_json()

    def _node_optimism_outputAtBlock(self, number: str) -> Json:  # noqa: N802
        block, header = self.l2[int(number, 16)]
        # Before Isthmus a recording does not hold the storage root; any will do that the output root agrees with.
        storage_root = header.withdrawals_root if header.requests_hash is not None else None
        storage_root = storage_root or keccak256(b"storage")
        root = output_root(header.state_root, storage_root, block.ref.hash)
        ref = {"hash": data(block.ref.hash), "number": header.number}
        parts = {"stateRoot": data(header.state_root), "withdrawalStorageRoot": data(storage_root), "blockRef": ref}
        return {"version": data(bytes(32)), "outputRoot": data(root), **parts}

    def _node_optimism_safeHeadAtL1Block(self, number: str) -> Json:  # noqa: N802
        at = max((n for n in self.safe if n <= int(number, 16)), default=None)
        if at is None:
            raise RpcFailureError(-32000, "not found")
        l2 = self.safe[at]
        safe_head = {"number": l2, "hash": data(self.l2[l2][0].ref.hash)}
        return {"l1Block": {"number": at, "hash": data(self.l1[at].block.hash)}, "safeHead": safe_head}

    # ---- beacon ----

    def beacon(self, path: str) -> Any:
        """The reply to a GET of the beacon API; raises HttpFailureError."""
        path, _, query = path.partition("?")
        if path == "/eth/v1/beacon/genesis":
            return {"data": {"genesis_time": str(GENESIS_TIME)}}
        if path == "/eth/v1/config/spec":
            return {"data": {"SECONDS_PER_SLOT": str(SECONDS_PER_SLOT)}}
        route, _, slot = path.removeprefix("/eth/v1/beacon/").partition("/")
        blocks = [item for item in self.l1.values() if item.block.header.timestamp == GENESIS_TIME + int(slot) * SECONDS_PER_SLOT]
        if not blocks:
            raise HttpFailureError(404)
        blobs = dict(reversed(list(blocks[0].blobs.items())))  # their order is not to be trusted
        if route == "blobs" and self.has_blobs_route:
            wanted = [part.removeprefix("versioned_hashes=") for part in query.split("&")]
            return {"data": [data(blob) for name, blob in blobs.items() if not query or data(name) in wanted]}
        if route == "blob_sidecars" and self.has_sidecars_route:
            return {"data": [{"index": str(index), "blob": data(blob)} for index, blob in enumerate(blobs.values())]}
        raise HttpFailureError(404)


FaultChooser = Callable[[str, str, list[Any]], Fault | None]


class FakeEndpoints:
    """The server; `fault(service, method, params)` may be set at any time. `calls` counts requests by service and method."""

    def __init__(self, chains: RecordedChains) -> None:
        self.chains = chains
        self.fault: FaultChooser | None = None
        self.calls: Counter[tuple[str, str]] = Counter()
        self.under_way = self.most_under_way = 0
        self.port = 0
        self.takes_batches = True

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.port}/{service}"

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run on a free loopback port until cancelled."""
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, self._connection, 0, host="127.0.0.1"))
            self.port = listeners[0].socket.getsockname()[1]
            task_status.started()

    async def _connection(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._request(stream, connection):
                connection.start_next_cycle()
        except (trio.BrokenResourceError, h11.ProtocolError):
            pass

    async def _request(self, stream: trio.SocketStream, connection: h11.Connection) -> bool:
        request, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert request is not None
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            status, headers, reply = await self._answer(request.target.decode(), body)
        finally:
            self.under_way -= 1
        if status == 0:
            return False
        headers = [("content-type", "application/json"), ("content-length", str(len(reply))), *headers]
        await stream.send_all(connection.send(h11.Response(status_code=status, headers=headers)) or b"")
        await stream.send_all((connection.send(h11.Data(data=reply)) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        return connection.our_state is h11.DONE

    async def _answer(self, target: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        _, service, path = (target + "/").split("/", 2)
        if service == "beacon":
            path = "/" + path.rstrip("/")
            return await self._one(service, path.split("/")[4], [path], None)
        call = msgspec.json.decode(body)
        if isinstance(call, list) and not self.takes_batches:
            return 200, [], b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batches are not supported"}}'
        if isinstance(call, list):
            replies = [(await self._one(service, one["method"], one.get("params", []), one["id"]))[2] for one in call]
            return 200, [], b"[" + b",".join(reversed(replies)) + b"]"
        return await self._one(service, call["method"], call.get("params", []), call["id"])

    async def _one(self, service: str, method: str, params: list[Any], call_id: int | None) -> tuple[int, list[tuple[str, str]], bytes]:
        self.calls[service, method] += 1
        fault = (self.fault and self.fault(service, method, params)) or Fault()
        await trio.sleep(0.001)
        if fault.hang:
            await trio.sleep(60)
        if fault.hang_up:
            return 0, [], b""
        if fault.status:
            return fault.status, [("retry-after", fault.retry_after)] if fault.retry_after else [], fault.body
        try:
            if fault.error is not None:
                raise RpcFailureError(*fault.error)
            result = self.chains.beacon(params[0]) if call_id is None else self.chains.rpc(service, method, params)
            result = msgspec.json.decode(msgspec.json.encode(result))  # damage must not reach the original
            if fault.damage is not None:
                result = fault.damage(result)
        except HttpFailureError as failure:
            return failure.status, [], b'{"message":"not found"}'
        except RpcFailureError as failure:
            error = {"code": failure.code, "message": failure.message}
            return 200, [], msgspec.json.encode({"jsonrpc": "2.0", "id": call_id, "error": error})
        reply = result if call_id is None else {"jsonrpc": "2.0", "id": call_id, "result": result}
        return 200, [], msgspec.json.encode(reply)


@contextmanager
def running(chains: RecordedChains) -> Iterator[FakeEndpoints]:
    """The server in a thread of its own, for programs that run an event loop themselves."""
    server = FakeEndpoints(chains)
    ready: Queue[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = Queue()

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(server.serve)
                ready.put((trio.lowlevel.current_trio_token(), scope))

    thread = threading.Thread(target=trio.run, args=(main,), daemon=True)
    thread.start()
    token, scope = ready.get(timeout=10)
    try:
        yield server
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join(10)
