"""eth_sendRawTransactionSync (EIP-7966; codes and words of op-geth): hands in a transaction, and answers with its receipt."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import trio

from trinode.jsonrpc.declared import Declared, Kind, Param, declare
from trinode.jsonrpc.fields import parse_quantity
from trinode.jsonrpc.kinds import DATA, QUANTITY
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.errors import server_error
from trinode.rpc.eth.schemas import RECEIPT
from trinode.rpc.eth.sending.submit import hand_in
from trinode.rpc.node import TransactionTaker

TIMED_OUT = 4
DEFAULT_SECONDS = 20.0
MOST_SECONDS = 60.0
MOST_WAITING = 128
"""Requests that wait at the same time: each takes the place of one that could be answered."""


class HeadWatch(Protocol):
    """Tells of new heads."""

    async def next_head(self) -> None:
        """Returns when the head moves next; from the first step on, no move is missed."""


def _parse_milliseconds(value: object, path: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return parse_quantity(value, path)


MILLISECONDS: Kind[int] = Kind({"anyOf": [{"type": "integer", "minimum": 0}, QUANTITY.schema]}, _parse_milliseconds)
"""A plain number, as op-geth takes it, or a quantity, as client libraries send it."""


class SendSyncMethods:
    """`taker` None: nobody takes transactions. `find_receipt`: by a transaction's hash; None: there is none yet. `heads`: of the same chain.

    `default_seconds`: how long it is waited where the caller does not say; `most_seconds`: at most.
    """

    def __init__(
        self,
        taker: TransactionTaker | None,
        find_receipt: Callable[[Hash32], Awaitable[msgspec.Raw | None]],
        heads: HeadWatch,
        *,
        default_seconds: float = DEFAULT_SECONDS,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._taker = taker
        self._find_receipt = find_receipt
        self._heads = heads
        self._default_seconds = default_seconds
        self._most_seconds = most_seconds
        self._turns = trio.CapacityLimiter(MOST_WAITING)
        self.methods: dict[str, Declared] = {
            "eth_sendRawTransactionSync": declare(
                self._send,
                "Hands in a signed transaction, and waits for its receipt",
                Param("transaction", DATA),
                Param("timeout", MILLISECONDS, required=False, default=0),
                result=RECEIPT,
                waits=most_seconds,
            ),
        }

    async def _send(self, transaction: bytes, timeout: int) -> msgspec.Raw:
        """`timeout` in milliseconds; 0: as long as is usual."""
        try:
            self._turns.acquire_on_behalf_of_nowait(holder := object())
        except trio.WouldBlock:
            raise server_error(f"{MOST_WAITING} requests wait for their transactions already; use eth_sendRawTransaction") from None
        try:
            seconds = min(timeout / 1000 if timeout else self._default_seconds, self._most_seconds)
            return await self._send_within(transaction, seconds)
        finally:
            self._turns.release_on_behalf_of(holder)

    async def _send_within(self, transaction: bytes, seconds: float) -> msgspec.Raw:
        hash = await hand_in(self._taker, transaction)
        found: msgspec.Raw | None = None
        with trio.move_on_after(seconds):
            found = await self._receipt(hash)
        if found is None:
            message = f"The transaction was added to the transaction pool but wasn't processed in {_duration(seconds)}"
            raise RpcError(TIMED_OUT, message, data=to_hex(hash))
        return found

    async def _receipt(self, hash: Hash32) -> msgspec.Raw:
        """Looks after each move of the head; the watch begins before the first look."""
        bell = _Bell()
        async with trio.open_nursery() as nursery:
            await nursery.start(bell.ring_for, self._heads)
            while True:
                rung = bell.event
                found = await self._find_receipt(hash)
                if found is not None:
                    nursery.cancel_scope.cancel()
                    return found
                await rung.wait()
        raise AssertionError("unreachable")


class _Bell:
    """`event` is set when the head moves, and replaced by another one."""

    def __init__(self) -> None:
        self.event = trio.Event()

    async def ring_for(self, heads: HeadWatch, *, task_status: trio.TaskStatus[None]) -> None:
        """Rings for all moves from now on."""
        task_status.started()
        while True:
            await heads.next_head()
            self.event.set()
            self.event = trio.Event()


def _duration(seconds: float) -> str:
    """As Go writes it: 1ms, 1.5s, 1m0s."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes = math.floor(seconds / 60)
    return f"{minutes}m{seconds - 60 * minutes:g}s" if minutes else f"{seconds:g}s"
