"""Execution witnesses: all that is needed of a state to execute one block on it and to know the root after it.

A witness is a set of byte strings, each known by its Keccak-256: nodes of tries, codes, and headers of ancestors. What
is read from it hangs together by hashes from the parent block's header on, so that nobody has to be trusted for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from trinode.execution.errors import MissingState
from trinode.execution.state import BLOCK_HASHES, EMPTY_CODE_HASH, Account
from trinode.execution.trie.nodes import NodeReader, Owner, Path
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.header import Header, HeaderDecodingError, decode_header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Address, Hash32


class ProvenState(ABC):
    """The state after the block of `parent`, read from its tries (a `StateReader`, and the `NodeReader` of those tries).

    `tries` are the state's: their `updated` gives the root after the changes of a block.
    """

    def __init__(self, parent: Header) -> None:
        self.parent = parent
        self.tries = StateTries(self, parent.state_root, lists_deleted_tries=False)
        self._hashes = [header_hash(parent), parent.parent_hash]

    @abstractmethod
    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of a trie node. Raises MissingState."""

    @abstractmethod
    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash. Raises MissingState."""

    @abstractmethod
    def header(self, number: int, block_hash: Hash32) -> bytes:
        """RLP of the header with that hash, of a block with that number. Raises MissingState."""

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none. Raises MissingState."""
        return self.tries.account(address)

    def storage(self, address: Address, slot: int) -> int:
        """The value of a storage slot. Raises MissingState."""
        return self.tries.storage(address, slot)

    def has_storage(self, address: Address) -> bool:
        """Whether any slot of the account is not 0. Raises MissingState."""
        return self.tries.storage_root(address) != EMPTY_TRIE_ROOT

    def block_hash(self, number: int) -> Hash32:
        """The hash of the ancestor with that number, found from header to header. Raises MissingState, also where the
        number is not of the parent block or one of the 256 before it.
        """
        back = self.parent.number - number
        if not 0 <= back <= min(BLOCK_HASHES, self.parent.number):
            raise MissingState(f"the hash of block {number} cannot be known on block {self.parent.number}")
        while len(self._hashes) <= back:
            self._hashes.append(self._parent_hash(self.parent.number - len(self._hashes) + 1, self._hashes[-1]))
        return self._hashes[back]

    def _parent_hash(self, number: int, block_hash: Hash32) -> Hash32:
        try:
            return decode_header(self.header(number, block_hash)).parent_hash
        except HeaderDecodingError as error:
            raise MissingState(f"malformed header of block {number}, hash 0x{block_hash.hex()}: {error}") from error


class Witness(ProvenState):
    """The state that a witness proves: `preimages` in any order, and the header of the parent block, which the caller trusts."""

    def __init__(self, preimages: Iterable[bytes], parent: Header) -> None:
        self._preimages = {keccak256(preimage): preimage for preimage in preimages}
        super().__init__(parent)

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of a trie node. Raises MissingState."""
        whose = f"the storage trie 0x{owner.hex()}" if owner else "the account trie"
        return self._preimage(node_hash, f"node at path {path!r} of {whose}")

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash. Raises MissingState."""
        return b"" if code_hash == EMPTY_CODE_HASH else self._preimage(code_hash, "code")

    def header(self, number: int, block_hash: Hash32) -> bytes:
        """RLP of a header. Raises MissingState."""
        return self._preimage(block_hash, f"header of block {number}")

    def _preimage(self, digest: Hash32, what: str) -> bytes:
        preimage = self._preimages.get(digest)
        if preimage is None:
            raise MissingState(f"not in the witness: {what}, hash 0x{digest.hex()}")
        return preimage


class WitnessRecorder(ProvenState):
    """The state after a block, which notes all that is read of it.

    Execute a block on it and compute the root after it with its `tries`; then `preimages` is the witness of that block, and
    `nodes_read`, `codes_read` and `headers_read` are its parts by their hashes. Only an engine that has not seen a code before reads it.
    `codes` and `headers` (RLP) are asked by hash; they and `nodes` raise MissingState.
    """

    def __init__(self, nodes: NodeReader, codes: Callable[[Hash32], bytes], headers: Callable[[Hash32], bytes], parent: Header) -> None:
        self._nodes = nodes
        self._codes = codes
        self._headers = headers
        self.nodes_read: dict[Hash32, bytes] = {}
        self.codes_read: dict[Hash32, bytes] = {}
        self.headers_read: dict[Hash32, bytes] = {}
        super().__init__(parent)

    def preimages(self) -> list[bytes]:
        """All that was read so far, each once."""
        return list((self.nodes_read | self.codes_read | self.headers_read).values())

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of a trie node. Raises MissingState."""
        rlp = self.nodes_read[node_hash] = self._nodes.node(owner, path, node_hash)
        return rlp

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash. Raises MissingState."""
        if code_hash == EMPTY_CODE_HASH:
            return b""
        code = self.codes_read[code_hash] = self._codes(code_hash)
        return code

    def header(self, number: int, block_hash: Hash32) -> bytes:
        """RLP of a header. Raises MissingState."""
        rlp = self.headers_read[block_hash] = self._headers(block_hash)
        return rlp
