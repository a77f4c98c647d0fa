"""eth_sendRawTransactionConditional (ERC-7796, as op-geth and op-reth have it for ERC-4337 bundlers): a transaction that is only to be taken
while the chain is as its sender believes it to be.

The conditions are held against the head and the states after it and after its parent when the transaction comes, and by the pool when it is
offered to a block, against the state that this begins with: what transactions before it in the same block change is for its own code to find out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trinode.execution.state import StateReader
from trinode.execution.trie.state_tries import StateTries
from trinode.jsonrpc.declared import Declared, Kind, Param, declare
from trinode.jsonrpc.fields import InvalidParams, JsonFields, kind, parse_data, parse_quantity
from trinode.jsonrpc.kinds import DATA, HASH, HASH_RESULT, QUANTITY, hex_of
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.types import Address, Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.block_names import LATEST, ByHash
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import LIMIT_EXCEEDED, server_error
from trinode.rpc.eth.kinds import fields_of
from trinode.rpc.eth.sending.submit import NOBODY_TAKES
from trinode.rpc.eth.workers import Workers
from trinode.rpc.node import TransactionRefused

REJECTED = -32003
MOST_COST = 1000
"""What one request may have looked up: 1, 1 for each slot or storage root, and 1 each for numbers and times."""

Keep = Callable[[bytes, "Conditions"], Awaitable[Hash32]]
"""Takes a transaction into a pool, with its conditions. Raises TransactionRefused."""

Forward = Callable[[bytes, Mapping[str, Any]], Awaitable[Hash32]]
"""Hands a transaction and its conditions, as they were given, to the sequencer. Raises TransactionRefused."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """`roots` of accounts' storages and `slots` that must be so; the head's number and time must be within their bounds, which are included.

    `given`: the JSON that they were read from.
    """

    given: Mapping[str, Any]
    roots: Mapping[Address, Hash32]
    slots: Mapping[Address, Mapping[int, int]]
    first_number: int | None = None
    last_number: int | None = None
    first_time: int | None = None
    last_time: int | None = None

    @property
    def cost(self) -> int:
        """How much they have looked up."""
        numbers = self.first_number is not None or self.last_number is not None
        times = self.first_time is not None or self.last_time is not None
        return 1 + len(self.roots) + sum(len(slots) for slots in self.slots.values()) + numbers + times

    def check(self) -> None:
        """Whether they can hold, and cost no more than they may. Raises RpcError."""
        for what, first, last in (("block number", self.first_number, self.last_number), ("timestamp", self.first_time, self.last_time)):
            if first is not None and last is not None and first > last:
                problem = f"{what} minimum constraint must be less than the maximum"
                raise RpcError(REJECTED, f"failed conditional validation: {problem}")
        if self.cost > MOST_COST:
            raise RpcError(LIMIT_EXCEEDED, f"conditional cost, {self.cost}, exceeded max: {MOST_COST}")

    def problem(self, number: int, timestamp: int, state: StateReader, tries: StateTries) -> str | None:
        """What does not hold in a block of that number and time that begins with that state; None: they hold."""
        return self.header_problem(number, timestamp) or self.state_problem(state, tries)

    def header_problem(self, number: int, timestamp: int) -> str | None:
        """Likewise, of numbers and times alone."""
        for what, holds in (
            ("block number minimum", self.first_number is None or number >= self.first_number),
            ("block number maximum", self.last_number is None or number <= self.last_number),
            ("timestamp minimum", self.first_time is None or timestamp >= self.first_time),
            ("timestamp maximum", self.last_time is None or timestamp <= self.last_time),
        ):
            if not holds:
                return f"failed header check: failed {what} constraint"
        return None

    def state_problem(self, state: StateReader, tries: StateTries) -> str | None:
        """Likewise, of accounts alone."""
        for address, root in self.roots.items():
            if (found := tries.storage_root(address)) != root:
                return f"failed state check: failed account storage root constraint. Got {to_hex(found)}, Expected {to_hex(root)}"
        for address, slots in self.slots.items():
            for slot, value in slots.items():
                if (held := state.storage(address, slot)) != value:
                    problem = f"account storage slot key {slot:#066x} constraint. Got {held:#066x}, Expected {value:#066x}"
                    return f"failed state check: failed {problem}"
        return None


def parse_conditions(value: object, path: str) -> Conditions:
    """Raises InvalidParams."""
    fields = JsonFields(value, path)
    assert isinstance(value, dict)
    accounts, roots, slots = fields.optional("knownAccounts"), {}, {}
    accounts_path = fields.path_of("knownAccounts")
    if not isinstance(accounts, dict | None):
        raise InvalidParams(accounts_path, f"an object was expected, not {kind(accounts)}")
    for name, wanted in (accounts or {}).items():
        address = parse_data(name, accounts_path, 20)
        if isinstance(wanted, str):
            roots[address] = parse_data(wanted, f"{accounts_path}.{name}", 32)
        elif isinstance(wanted, dict):
            slots[address] = _slots(wanted, f"{accounts_path}.{name}")
        elif wanted is not None:
            raise InvalidParams(f"{accounts_path}.{name}", f"a storage root or slots were expected, not {kind(wanted)}")
    return Conditions(
        value,
        roots,
        slots,
        fields.optional_quantity("blockNumberMin"),
        fields.optional_quantity("blockNumberMax"),
        _time(fields, "timestampMin"),
        _time(fields, "timestampMax"),
    )


def _slots(wanted: Mapping[str, Any], path: str) -> dict[int, int]:
    return {
        int.from_bytes(parse_data(slot, path, 32), "big"): int.from_bytes(parse_data(value, f"{path}.{slot[:66]}", 32), "big")
        for slot, value in wanted.items()
    }


def _time(fields: JsonFields, name: str) -> int | None:
    """A quantity, or a plain number."""
    value = fields.optional(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    return parse_quantity(value, fields.path_of(name))


_TIME = {"anyOf": [QUANTITY.schema, {"type": "integer", "minimum": 0}]}
_KNOWN = {"anyOf": [HASH.schema, {"type": "object", "propertyNames": hex_of(32), "additionalProperties": hex_of(32)}, {"type": "null"}]}
CONDITIONS: Kind[Conditions] = Kind(
    fields_of(
        "Conditions",
        {
            "knownAccounts": {"type": "object", "propertyNames": hex_of(20), "additionalProperties": _KNOWN},
            "blockNumberMin": QUANTITY.schema,
            "blockNumberMax": QUANTITY.schema,
            "timestampMin": _TIME,
            "timestampMax": _TIME,
        },
    ),
    parse_conditions,
)


class ConditionalMethods:
    """`forward`: to a sequencer elsewhere, which checks for itself; None: the conditions are checked here, and `keep` has the transactions; None:
    nobody.
    """

    def __init__(self, chain: Chain, workers: Workers, keep: Keep | None, forward: Forward | None = None) -> None:
        self._chain = chain
        self._workers = workers
        self._keep = keep
        self._forward = forward
        self.methods: dict[str, Declared] = {
            "eth_sendRawTransactionConditional": declare(
                self._send,
                "Hands in a signed transaction if the chain is as it says; its hash",
                Param("transaction", DATA),
                Param("conditions", CONDITIONS),
                result=HASH_RESULT,
            )
        }

    async def _send(self, transaction: bytes, conditions: Conditions) -> str:
        try:
            if self._forward is not None:
                return to_hex(await self._forward(transaction, conditions.given))
            if self._keep is None:
                raise server_error(NOBODY_TAKES)
            conditions.check()
            await self._workers.call(lambda: self._check(conditions), "check of conditions")
            return to_hex(await self._keep(transaction, conditions))
        except TransactionRefused as refused:
            raise RpcError(refused.code, refused.message, data=refused.data) from refused

    # ---- on a worker thread ----

    def _check(self, conditions: Conditions) -> None:
        """Raises RpcError. The parent's state counts too: conditions that have just come about might be somebody's doing."""
        known = self._chain.header(LATEST)
        problem = conditions.header_problem(known.header.number, known.header.timestamp) or self._state_problem(conditions, known.hash)
        if problem is None and known.header.number > self._chain.config.genesis.l2.number:
            problem = self._state_problem(conditions, known.header.parent_hash)
        if problem is not None:
            raise RpcError(REJECTED, problem)

    def _state_problem(self, conditions: Conditions, block_hash: Hash32) -> str | None:
        if not conditions.roots and not conditions.slots:
            return None
        _, state = self._chain.state(ByHash(block_hash))
        return conditions.state_problem(state, self._chain.store.tries_at(block_hash))
