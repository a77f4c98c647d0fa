"""The output root of an L2 block (specification: proposals, "L2 Output Commitment Construction")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import trio

from trinode.execution.block import MESSAGE_PASSER
from trinode.execution.trie.witness import Witness
from trinode.protocol.block import KnownHeader
from trinode.protocol.types import Address, Hash32
from trinode.storage.store import Store

WithdrawalRoot: TypeAlias = Callable[[KnownHeader], Awaitable[Hash32]]
"""The storage root of the L2ToL1MessagePasser after a block. Raises MissingState, or LookupError, where it cannot be told."""


def withdrawal_root_in(header: KnownHeader) -> Hash32 | None:
    """The root that the header itself has, from Isthmus on; None before."""
    return header.header.withdrawals_root if header.header.requests_hash is not None else None


def withdrawal_roots_of(store: Store) -> WithdrawalRoot:
    """From the headers, and where these do not have it from the store's tries."""

    async def root(header: KnownHeader) -> Hash32:
        found = withdrawal_root_in(header)
        if found is not None:
            return found
        return await trio.to_thread.run_sync(lambda: store.tries_at(header.hash).storage_root(MESSAGE_PASSER))

    return root


def withdrawal_roots_by_proof(prove: Callable[[Address, Hash32], Awaitable[Sequence[bytes]]]) -> WithdrawalRoot:
    """From the headers, and where these do not have it from what proves it against them: the trie's nodes towards an account after a block."""

    async def root(header: KnownHeader) -> Hash32:
        found = withdrawal_root_in(header)
        if found is not None:
            return found
        return Witness(await prove(MESSAGE_PASSER, header.hash), header.header).tries.storage_root(MESSAGE_PASSER)

    return root


async def withdrawal_root_of_header(header: KnownHeader) -> Hash32:
    """From the header alone, where there is no state to look into. Raises LookupError before Isthmus."""
    found = withdrawal_root_in(header)
    if found is None:
        raise LookupError(f"block {header.header.number} is before Isthmus: its output root needs the state, which this node does not keep")
    return found
