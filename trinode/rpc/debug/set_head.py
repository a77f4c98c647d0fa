"""Taking blocks back by hand (op-geth: debug_setHead)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import NULL_RESULT, QUANTITY
from trinode.rpc.eth.errors import server_error
from trinode.rpc.node import AdminRefused

SetHead: TypeAlias = Callable[[int], Awaitable[None]]
"""Makes an ancestor of the head, by its number, the head. Raises AdminRefused."""


class SetHeadMethods:
    """`set_head`: None where the blocks are not kept here, or are not to be taken back."""

    def __init__(self, set_head: SetHead | None) -> None:
        self._set_head = set_head
        what = "Makes an earlier block the head again"
        self.methods: dict[str, Declared] = {"debug_setHead": declare(self._move, what, Param("number", QUANTITY), result=NULL_RESULT)}

    async def _move(self, number: int) -> None:
        if self._set_head is None:
            raise server_error("this node does not take blocks back")
        try:
            await self._set_head(number)
        except AdminRefused as error:
            raise server_error(str(error)) from error
