"""The state after a block of our chain for who asks about it: read from an untrusted remote on demand, node by node proved (EIP-1186)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from trinode.engine.stateless.errors import RemoteFault
from trinode.engine.stateless.preimages import Preimages
from trinode.engine.stateless.proof_reply import WantedProof
from trinode.engine.stateless.questions import Question, Questions, T
from trinode.engine.stateless.remote import RemoteL2, WantedCode
from trinode.execution.calls.message import Message
from trinode.execution.errors import MissingState
from trinode.execution.state import EMPTY_CODE_HASH, Account
from trinode.execution.trie.nodes import Owner, Path
from trinode.execution.trie.state_tries import AccountProof, StateTries
from trinode.execution.trie.witness import ProvenState
from trinode.jsonrpc.requests import SERVER_ERROR, RpcError
from trinode.jsonrpc.transaction_object import access_list_object
from trinode.protocol.block import KnownHeader
from trinode.protocol.header import encode_header
from trinode.protocol.types import Address, Hash32
from trinode.rollup.json_fields import to_hex

Ancestor = Callable[[Hash32], bytes | None]
"""RLP of a header that is known here, by its hash."""


@dataclass(frozen=True, slots=True)
class VerifiedSettings:
    """What a user's request may ask of a remote: `requests` in all, `foreseen` accounts and slots that are fetched ahead of a call.

    `seconds` for each answer, `hint_seconds` for what is of use, but not needed.
    `kept_bytes` of nodes and codes that were proved, for all requests together.
    """

    requests: int = 256
    foreseen: int = 1024
    seconds: float = 10.0
    hint_seconds: float = 2.0
    kept_bytes: int = 64 << 20


class VerifiedState(ProvenState):
    """The state after `block` (a `StateReader`), for one request, not on trio's thread. All methods raise RpcError where a remote does not give
    what is needed, or what its proof does not bear out: the error names endpoint, method, field, block and account.
    """

    def __init__(self, block: KnownHeader, questions: Questions, kept: Preimages, ancestor: Ancestor, settings: VerifiedSettings) -> None:
        self._block = block
        self._questions = questions
        self._kept = kept
        self._ancestor = ancestor
        self._settings = settings
        self._requests_left = settings.requests
        self._fetched: dict[Hash32, bytes] = {}
        self._reading = WantedProof(bytes(20))
        self._code_of: dict[Hash32, Address] = {}
        self._foreseen: Message | None = None
        super().__init__(block.header)

    # ---- the state ----

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none."""
        self.begin(WantedProof(address))
        account = super().account(address)
        if account is not None:
            self._code_of[account.code_hash] = address
        return account

    def storage(self, address: Address, slot: int) -> int:
        """The value of a storage slot."""
        self.begin(WantedProof(address, (slot,)))
        return super().storage(address, slot)

    def has_storage(self, address: Address) -> bool:
        """Whether any slot of the account is not 0."""
        self.begin(WantedProof(address))
        return super().has_storage(address)

    def proofs(self) -> StateTries:
        """The tries, for proofs: what one needs comes in one answer."""
        return _ProofTries(self)

    def begin(self, wanted: WantedProof) -> None:
        """What is read from now on is on the way to that."""
        self._reading = wanted

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of a trie node on the way to what is being read."""
        found = self._known(node_hash)
        if found is None:
            self._fetch_ahead()
            found = self._known(node_hash)
        if found is None:
            self._prove([self._reading])
            found = self._fetched.get(node_hash)
        if found is None:
            raise MissingState(f"no proof holds the node at path {path!r}, hash 0x{node_hash.hex()}")
        return found

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash, of an account that was read."""
        found = b"" if code_hash == EMPTY_CODE_HASH else self._known(code_hash)
        if found is None:
            address = self._code_of.get(code_hash)
            if address is None:
                raise MissingState(f"no account that was read has the code 0x{code_hash.hex()}")
            self._fetch_codes([WantedCode(address, code_hash)])
            found = self._fetched[code_hash]
        return found

    def header(self, number: int, block_hash: Hash32) -> bytes:
        """RLP of the header with that hash."""
        found = self._ancestor(block_hash)
        if found is not None:
            return found
        known = self._ask(lambda remote: remote.header_by_hash(block_hash))
        if known is None:
            raise MissingState(f"no remote has block {number}, hash 0x{block_hash.hex()}")
        return encode_header(known.header)

    # ---- ahead ----

    def foresee(self, message: Message) -> None:
        """That message will be executed. Once something is missing, all that it will read is fetched in few requests."""
        self._foreseen = message

    def _fetch_ahead(self) -> None:
        """What the remote says that the message touches: a hint, which decides nothing."""
        message, self._foreseen = self._foreseen, None
        if message is None:
            return
        hinted = self._ask(lambda remote: self._hint(remote, message))
        touched: dict[Address, dict[int, None]] = {message.sender: {}, **({} if message.to is None else {message.to: {}})}
        left = self._settings.foreseen
        for each in hinted:
            if left <= 0:
                break
            slots = each.slots[: left - 1]
            touched.setdefault(each.address, {}).update(dict.fromkeys(slots))
            left -= 1 + len(slots)
        self._prove([WantedProof(address, tuple(slots)) for address, slots in touched.items() if not self._holds(address, slots)])
        self._fetch_codes(self._lacking_codes(touched))

    async def _hint(self, remote: RemoteL2, message: Message) -> list[WantedProof]:
        with trio.move_on_after(self._settings.hint_seconds):
            try:
                return await remote.access_list(self._block, _message_object(message))
            except RemoteFault:
                return []  # a message that cannot begin, or a remote without the method: all is read as it is needed
        return []  # one that takes all the gas there is takes long there, too

    def _holds(self, address: Address, slots: Iterable[int]) -> bool:
        """Whether all of it can be read without the remote."""
        tries = self._held_tries()
        try:
            tries.account(address)
            for slot in slots:
                tries.storage(address, slot)
        except MissingState:
            return False
        return True

    def _lacking_codes(self, proved: Iterable[Address]) -> list[WantedCode]:
        tries = self._held_tries()
        lacking: dict[Hash32, WantedCode] = {}
        for address in proved:
            account = tries.account(address)
            if account is not None and account.code_hash != EMPTY_CODE_HASH and self._known(account.code_hash) is None:
                lacking[account.code_hash] = WantedCode(address, account.code_hash)
        return list(lacking.values())

    def _held_tries(self) -> StateTries:
        return StateTries(_HeldNodes(self._known), self.tries.root, lists_deleted_tries=False)

    # ---- the remote ----

    def _prove(self, wanted: Sequence[WantedProof]) -> None:
        if wanted:
            self._take(self._ask(lambda remote: remote.proofs(self._block, wanted)))

    def _fetch_codes(self, wanted: Sequence[WantedCode]) -> None:
        if wanted:
            self._take(self._ask(lambda remote: remote.codes(self._block, wanted)))

    def _ask(self, question: Question[T]) -> T:
        if not self._requests_left:
            raise RpcError(SERVER_ERROR, f"too much of the state is needed: a request may ask a remote {self._settings.requests} times")
        self._requests_left -= 1
        return self._questions.ask(question)

    def _take(self, found: dict[Hash32, bytes]) -> None:
        self._fetched.update(found)
        self._kept.add(found)

    def _known(self, digest: Hash32) -> bytes | None:
        found = self._fetched.get(digest)
        if found is None:
            found = self._kept.get(digest)
            if found is not None:
                self._fetched[digest] = found  # whatever others read meanwhile, it stays for this request
        return found


class _ProofTries(StateTries):
    def __init__(self, state: VerifiedState) -> None:
        super().__init__(state, state.tries.root, lists_deleted_tries=False)
        self._state = state

    def account_proof(self, address: Address, slots: Sequence[int]) -> AccountProof:
        self._state.begin(WantedProof(address, tuple(slots)))
        return super().account_proof(address, slots)


class _HeldNodes:
    """Nodes that are here (a `NodeReader`)."""

    def __init__(self, known: Callable[[Hash32], bytes | None]) -> None:
        self._known = known

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        found = self._known(node_hash)
        if found is None:
            raise MissingState(f"the node at path {path!r}, hash 0x{node_hash.hex()}, is not here")
        return found


def _message_object(message: Message) -> dict[str, Any]:
    """As eth_createAccessList takes it. What it pays, and how much gas it has, decides little of what it touches."""
    fields: dict[str, Any] = {"from": to_hex(message.sender), "value": hex(message.value), "input": to_hex(message.data)}
    if message.to is not None:
        fields["to"] = to_hex(message.to)
    if message.access_list:
        fields["accessList"] = access_list_object(message.access_list)
    return fields
