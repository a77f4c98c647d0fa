"""Where L1 is: its head by subscription or polling, its safe and finalized labels, and how far derivation may read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import msgspec
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, open_websocket_url

from trinode.jsonrpc.endpoint import EndpointError, Retries, UnavailableError, WrongAnswerError
from trinode.jsonrpc.http import endpoint_name
from trinode.jsonrpc.replies import JsonObject, RpcJsonError
from trinode.l1.pool import AllFailedError, Notice
from trinode.l1.rpc_block import read_header
from trinode.l1.source import L1Source, ref_of
from trinode.protocol.block import L1BlockRef

_MAX_MESSAGE = 1 << 20
_LEAST_PATIENCE = 10.0


class L1Heads(NamedTuple):
    """L1 now. `confirmed`: the number of the last block that derivation may read."""

    head: L1BlockRef
    safe: L1BlockRef | None
    finalized: L1BlockRef | None
    confirmed: int


class WatchSettings(NamedTuple):
    """Times in seconds. `silence`: after so long without a head from a subscription, one is asked for.

    `confirmation_depth`: a block is read when so many are on top of it (or when it is finalized).
    """

    interval: float = 12.0
    label_interval: float = 60.0
    confirmation_depth: int = 0
    silence: float = 36.0
    timeout: float = 20.0
    reconnect: Retries = Retries(first_delay=2.0, longest_delay=300.0)


class L1Watcher:
    """Follows L1. `websocket`: a ws(s) URL for `eth_subscribe`; polling stands in for it while it is down."""

    def __init__(
        self, source: L1Source, settings: WatchSettings, *, websocket: str | None = None, notice: Notice | None = None
    ) -> None:
        self._source = source
        self._settings = settings
        self._websocket = websocket
        self._name = "" if websocket is None else endpoint_name("L1", websocket)
        self._notice = notice
        self._head: L1BlockRef | None = None
        self._lower: L1BlockRef | None = None
        self._safe: L1BlockRef | None = None
        self._finalized: L1BlockRef | None = None
        self._labels_at = float("-inf")
        self._latest: L1Heads | None = None
        self._changed = trio.Event()
        self._heard_at = float("-inf")

    @property
    def silent_for(self) -> float:
        """Seconds since L1 last said where it is; infinite before it has."""
        return trio.current_time() - self._heard_at

    @property
    def patience(self) -> float:
        """Seconds of silence from which on something is wrong."""
        return 2 * max(self._settings.interval, _LEAST_PATIENCE)

    @property
    def latest(self) -> L1Heads | None:
        """What is known; None before the first answer."""
        return self._latest

    async def updates(self) -> AsyncGenerator[L1Heads, None]:
        """Every change, beginning with what is known; who is slow gets the newest only. `run` must be running."""
        seen: L1Heads | None = None
        while True:
            while self._latest is None or self._latest == seen:
                await self._changed.wait()
            seen = self._latest
            yield seen

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow L1 until cancelled. Failures go to the notices; there is always another try."""
        task_status.started()
        failures, subscribe_at = 0, float("-inf")
        while True:
            if self._websocket is not None and trio.current_time() >= subscribe_at:
                before = self._latest
                try:
                    await self._subscription(self._websocket)
                except EndpointError as error:
                    if self._notice is not None:
                        self._notice(error)
                failures = 1 if self._latest != before else failures + 1
                subscribe_at = trio.current_time() + self._settings.reconnect.delay(min(failures, 20))
            await self._poll()
            await trio.sleep(self._settings.interval)

    async def _poll(self) -> None:
        try:
            ref = await self._source.head()
            if ref is not None:
                await self._take(ref)
        except AllFailedError:
            return  # the source has told its notice of each failure, and the next poll asks again

    async def _take(self, ref: L1BlockRef) -> None:
        self._heard_at = trio.current_time()
        head = self._head
        if head is not None and ref.number < head.number and ref != self._lower:
            # One of several nodes that lags behind, or a reorg: then the next answer says the same.
            self._lower = ref
            return
        self._head, self._lower = ref, None
        if self._latest is not None:
            self._publish()
        try:
            # The first blocks that are read are known to be final then: that they are still canonical is not asked again for each.
            if trio.current_time() >= self._labels_at:
                self._safe, self._finalized = await self._source.safe(), await self._source.finalized()
                self._labels_at = trio.current_time() + self._settings.label_interval
        finally:
            self._publish()

    def _publish(self) -> None:
        assert self._head is not None
        confirmed = self._head.number - self._settings.confirmation_depth
        if self._finalized is not None:
            confirmed = max(confirmed, min(self._finalized.number, self._head.number))
        self._latest = L1Heads(self._head, self._safe, self._finalized, confirmed)
        self._changed.set()
        self._changed = trio.Event()

    # ---- subscription ----

    async def _subscription(self, url: str) -> None:
        """Take heads from `newHeads` until the connection fails; raises EndpointError."""
        try:
            with trio.fail_after(self._settings.timeout) as scope:
                async with open_websocket_url(url, max_message_size=_MAX_MESSAGE) as connection:
                    try:
                        subscription = await self._subscribe(connection)
                        scope.deadline = float("inf")
                        await self._poll()  # what came before the subscription began
                        while True:
                            await self._next_head(connection, subscription)
                    except ConnectionClosed:
                        # trio-websocket 0.12 leaves a client's socket open where the peer closed first.
                        await connection._close_stream()
                        raise
        except ConnectionClosed as error:
            raise UnavailableError(self._name, "eth_subscribe", "the connection was closed", None) from error
        except (HandshakeError, OSError, trio.BrokenResourceError) as error:
            raise UnavailableError(self._name, "eth_subscribe", f"no connection ({type(error).__name__})", None) from error
        except trio.TooSlowError as error:
            raise UnavailableError(self._name, "eth_subscribe", "no answer in time", None) from error
        except RpcJsonError as error:
            raise WrongAnswerError(self._name, "eth_subscribe", error.field, error.message) from error

    async def _subscribe(self, connection: WebSocketConnection) -> str:
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
        await connection.send_message(msgspec.json.encode(request).decode())
        reply = _object(await connection.get_message())
        if not isinstance(reply.get("result"), str):
            message = f"no subscription: {str(reply.get('error'))[:200]}"
            raise UnavailableError(self._name, "eth_subscribe", message, None)
        return str(reply["result"])

    async def _next_head(self, connection: WebSocketConnection, subscription: str) -> None:
        message: str | bytes | None = None
        with trio.move_on_after(self._settings.silence):
            message = await connection.get_message()
        if message is None:
            before = self._head
            await self._poll()
            if self._head != before:
                raise UnavailableError(self._name, "eth_subscribe", f"no head in {self._settings.silence:g} s, though there are new ones", None)
            return
        params = _object(message).get("params")
        if isinstance(params, dict) and params.get("subscription") == subscription:
            JsonObject(params.get("result"), "result")
            ref = ref_of(read_header(params["result"], "latest"))
            try:
                await self._take(ref)
            except AllFailedError:
                return  # of the labels; the source has told its notice


def _object(message: str | bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RpcJsonError("", f"the message is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RpcJsonError("", "the message is no object")
    return value
