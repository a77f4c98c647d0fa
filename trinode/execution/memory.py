"""The state of one block in dicts: for devnets, benchmarks and tests. It goes forward only."""

from __future__ import annotations

from trinode.execution.block import ExecutedBlock, Parent
from trinode.execution.errors import MissingState
from trinode.execution.genesis import GenesisBlock
from trinode.execution.state import BLOCK_HASHES, Account, StateChanges
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.nodes import Owner, Path
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.types import Address, Hash32


class MemoryState:
    """The state after the last block that was applied: a `StateReader`, and the `NodeReader` of its tries."""

    def __init__(self, genesis: GenesisBlock) -> None:
        self._accounts: dict[Address, Account] = {}
        self._storage: dict[Address, dict[int, int]] = {}
        self._codes: dict[Hash32, bytes] = {}
        self._nodes = MemoryNodes()
        self._hashes = {genesis.header.number: genesis.hash}
        self._header, self._hash = genesis.header, genesis.hash
        self._apply(genesis.changes)
        self._nodes.apply(genesis.nodes)
        self._tries = StateTries(self, genesis.header.state_root)

    @property
    def parent(self) -> Parent:
        """The last block, to build on. Its state is this object: it goes forward with the next `apply`."""
        return Parent(self._header, self._hash, self, self._tries)

    def apply(self, block: ExecutedBlock) -> None:
        """Goes forward by `block`, which was executed on `parent`. Raises ValueError if it is on another block."""
        if block.header.parent_hash != self._hash:
            raise ValueError(f"block {block.header.number} does not follow block {self._header.number}")
        self._apply(block.changes)
        self._nodes.apply(block.nodes)
        self._header, self._hash, self._tries = block.header, block.hash, block.tries
        self._hashes[block.header.number] = block.hash
        self._hashes.pop(block.header.number - BLOCK_HASHES, None)

    def _apply(self, changes: StateChanges) -> None:
        for address in changes.wiped:
            self._storage.pop(address, None)
        for address, account in changes.accounts.items():
            if account is None:
                self._accounts.pop(address, None)
                self._storage.pop(address, None)
            else:
                self._accounts[address] = account
        for address, slots in changes.storage.items():
            stored = self._storage.setdefault(address, {})
            stored.update(slots)
            for slot in [slot for slot, value in slots.items() if not value]:
                del stored[slot]
            if not stored:
                del self._storage[address]
        self._codes.update(changes.codes)

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None: there is none."""
        return self._accounts.get(address)

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot; 0: there is none."""
        slots = self._storage.get(address)
        return slots.get(slot, 0) if slots else 0

    def has_storage(self, address: Address) -> bool:
        """Whether any slot of the account is not 0."""
        return bool(self._storage.get(address))

    def code(self, code_hash: Hash32) -> bytes:
        """The code with that hash. Raises MissingState."""
        code = self._codes.get(code_hash)
        if code is None:
            raise MissingState(f"there is no code 0x{code_hash.hex()}")
        return code

    def block_hash(self, number: int) -> Hash32:
        """The hash of the last block or of one of the 255 before it. Raises MissingState."""
        found = self._hashes.get(number)
        if found is None:
            raise MissingState(f"the hash of block {number} is not known in the state of block {self._header.number}")
        return found

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        """RLP of the node with that hash at that place. Raises MissingState."""
        return self._nodes.node(owner, path, node_hash)
