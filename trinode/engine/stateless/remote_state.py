"""The state after a block, as a remote proves it: from a witness, and by proofs of what the witness lacks.

op-geth's witnesses lack the way to accounts that are not there (a contract's address before it is created), and to the message passer
where a block does not call it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import trio

from trinode.engine.stateless.errors import RemoteFault, RemoteLies
from trinode.engine.stateless.remote import RemoteL2
from trinode.execution.block import MESSAGE_PASSER
from trinode.execution.state import EMPTY_CODE_HASH, Account
from trinode.execution.trie.nodes import Owner, Path
from trinode.execution.trie.witness import ProvenState
from trinode.protocol.block import KnownHeader
from trinode.protocol.header import encode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, Hash32

Ancestor = Callable[[Hash32], bytes | None]
"""RLP of a header that is known here, by its hash."""


class Missing(NamedTuple):
    """A preimage that is needed and not there. `field`: where in a witness it would stand. `what`: a few words."""

    digest: Hash32
    field: str
    what: str


class RemoteState(ProvenState):
    """The state after `parent`, from preimages by their hashes, and from `remote` for what is not among them, at most `most_pieces` times.

    Headers of ancestors that are known here are not needed from the remote. `lacked`: what was asked for first. All methods that read are for
    threads of trio's, which wait for the remote meanwhile; they raise RemoteFault, too.
    """

    def __init__(self, preimages: dict[Hash32, bytes], parent: KnownHeader, ancestor: Ancestor, remote: RemoteL2, most_pieces: int) -> None:
        self._preimages = dict(preimages)
        self._ancestor = ancestor
        self._block_hash = parent.hash
        self._remote = remote
        self._pieces_left = most_pieces
        self._reading: tuple[Address, int | None] = (MESSAGE_PASSER, None)
        self._code_of: dict[Hash32, Address] = {}
        self.lacked: Missing | None = None
        super().__init__(parent.header)

    # ---- the state ----

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of a trie node."""
        found = self._preimages.get(node_hash)
        if found is None:
            whose = f"the storage trie 0x{owner.hex()}" if owner else "the account trie"
            return self._ask(Missing(node_hash, "state", f"the node at path {path!r} of {whose}"))
        return found

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash."""
        found = b"" if code_hash == EMPTY_CODE_HASH else self._preimages.get(code_hash)
        return self._ask(Missing(code_hash, "codes", "the code")) if found is None else found

    def header(self, number: int, block_hash: Hash32) -> bytes:
        """RLP of the header with that hash."""
        found = self._ancestor(block_hash) or self._preimages.get(block_hash)
        return self._ask(Missing(block_hash, "headers", f"the header of block {number}")) if found is None else found

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none."""
        self._reading = (address, None)
        account = super().account(address)
        if account is not None:
            self._code_of[account.code_hash] = address
        return account

    def storage(self, address: Address, slot: int) -> int:
        """The value of a storage slot."""
        self._reading = (address, slot)
        return super().storage(address, slot)

    def has_storage(self, address: Address) -> bool:
        """Whether any slot of the account is not 0."""
        self._reading = (address, None)
        return super().has_storage(address)

    # ---- what the witness lacks ----

    def _ask(self, missing: Missing) -> bytes:
        self.lacked = self.lacked or missing
        if not self._pieces_left:
            raise self._fault("", "too much is missing")
        self._pieces_left -= 1
        trio.from_thread.run(self._fetch, missing)
        return self._preimages[missing.digest]

    async def _fetch(self, missing: Missing) -> None:
        if missing.field == "headers":
            known = await self._remote.header_by_hash(missing.digest)
            self._take("eth_getBlockByHash", missing, {} if known is None else {known.hash: encode_header(known.header)})
        elif missing.field == "codes":
            code = await self._remote.code(self._block_hash, self._code_of[missing.digest])
            self._take("eth_getCode", missing, {keccak256(code): code})
        else:
            await self._fetch_node(missing)

    async def _fetch_node(self, missing: Missing) -> None:
        """By a proof of what was being read; a node that only the new root needs is in none, and is asked for by its hash."""
        for address, slot in (self._reading, (MESSAGE_PASSER, None)):
            found = (await self._remote.proof(self._block_hash, address, [] if slot is None else [slot])).nodes
            if missing.digest in found:
                self._preimages.update(found)
                return
        try:
            node = await self._remote.preimage(missing.digest)
        except RemoteFault as fault:
            raise self._fault("eth_getProof", f"does not hold {missing.what}, hash 0x{missing.digest.hex()} ({fault})") from fault
        self._take("debug_dbGet", missing, {keccak256(node): node})

    def _take(self, method: str, missing: Missing, found: dict[Hash32, bytes]) -> None:
        if missing.digest not in found:
            raise self._fault(method, f"does not give {missing.what}, hash 0x{missing.digest.hex()}")
        self._preimages.update(found)

    def _fault(self, method: str, problem: str) -> RemoteFault:
        return RemoteLies(self._remote.name, method, "", f"L2 block 0x{self._block_hash.hex()}", problem)
