"""Answers to `eth_getProof` (execution-apis: eth/state; EIP-1186), held against a state root: every node, and every value that is told beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trinode.execution.errors import MissingState
from trinode.execution.state import EMPTY_ACCOUNT
from trinode.execution.trie.nodes import Owner, Path
from trinode.execution.trie.state_tries import StateTries
from trinode.jsonrpc.replies import JsonObject, RpcJsonError
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, Hash32


class WantedProof(NamedTuple):
    """An account, and some of its slots, to be proved."""

    address: Address
    slots: tuple[int, ...] = ()


class ClaimedProof(NamedTuple):
    """What came: nodes by their hashes, and what is said to be in them. `values`: of the slots, in the order of the answer."""

    nodes: dict[Hash32, bytes]
    balance: int
    nonce: int
    code_hash: Hash32
    storage_root: Hash32
    values: list[int]


class _ClaimedNodes:
    """The nodes of an answer (a `NodeReader`); `used`: those that lead from the root to what was wanted."""

    def __init__(self, nodes: dict[Hash32, bytes]) -> None:
        self._nodes = nodes
        self.used: dict[Hash32, bytes] = {}

    def node(self, owner: Owner, path: Path, node_hash: Hash32) -> bytes:
        found = self._nodes.get(node_hash)
        if found is None:
            raise MissingState(f"the node at path {path!r}, hash 0x{node_hash.hex()}, is not in it")
        self.used[node_hash] = found
        return found


def read_proof(result: object) -> ClaimedProof:
    """Raises RpcJsonError with the field that is malformed."""
    fields = JsonObject(result, "")
    storage = fields.objects("storageProof")
    nodes = nodes_of(fields, "accountProof")
    for slot in storage:
        nodes.update(nodes_of(slot, "proof"))
    return ClaimedProof(
        nodes,
        fields.quantity("balance"),
        fields.quantity("nonce"),
        fields.data("codeHash", 32),
        fields.data("storageHash", 32),
        [slot.quantity("value") for slot in storage],
    )


def nodes_of(fields: JsonObject, name: str) -> dict[Hash32, bytes]:
    """A list of nodes, by their hashes."""
    nodes = [JsonObject({"": item}, f"{name}[{index}]").data("") for index, item in enumerate(fields.items(name))]
    return {keccak256(node): node for node in nodes}


def check_proof(claimed: ClaimedProof, state_root: Hash32, wanted: WantedProof) -> dict[Hash32, bytes]:
    """The nodes that prove what was wanted, by hash. Raises RpcJsonError with the field that is not what the state root says."""
    address, nodes = wanted.address, _ClaimedNodes(claimed.nodes)
    tries = StateTries(nodes, state_root, lists_deleted_tries=False)
    try:
        account = tries.account(address)
        storage_root = tries.storage_root(address)
    except MissingState as error:
        raise RpcJsonError("accountProof", f"does not lead to the state root 0x{state_root.hex()}: {error}") from error
    nonce, balance, code_hash = EMPTY_ACCOUNT if account is None else account
    _compare("balance", claimed.balance, (balance,))
    _compare("nonce", claimed.nonce, (nonce,))
    # Of an account that is not there, clients tell the hashes of nothing, or zero.
    absent = () if account is not None else (bytes(32),)
    _compare("codeHash", claimed.code_hash, (code_hash, *absent))
    _compare("storageHash", claimed.storage_root, (storage_root, *absent))
    _check_slots(tries, claimed.values, wanted, storage_root)
    return nodes.used


def _check_slots(tries: StateTries, values: Sequence[int], wanted: WantedProof, storage_root: Hash32) -> None:
    if len(values) != len(wanted.slots):
        raise RpcJsonError("storageProof", f"{len(values)} slots, {len(wanted.slots)} were asked for")
    for index, (slot, value) in enumerate(zip(wanted.slots, values, strict=True)):
        field = f"storageProof[{index}]"
        try:
            proven = tries.storage(wanted.address, slot)
        except MissingState as error:
            said = f"slot 0x{slot:x}: does not lead to the storage root 0x{storage_root.hex()}: {error}"
            raise RpcJsonError(f"{field}.proof", said) from error
        if value != proven:
            raise RpcJsonError(f"{field}.value", f"slot 0x{slot:x}: {value} is told, {proven} is proved")


def _compare(field: str, told: int | Hash32, proved: Sequence[int | Hash32]) -> None:
    if told not in proved:
        raise RpcJsonError(field, f"{_shown(told)} is told, {_shown(proved[0])} is proved")


def _shown(value: int | Hash32) -> str:
    return str(value) if isinstance(value, int) else f"0x{value.hex()}"
