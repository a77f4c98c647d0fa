"""Our side: a chain of executed blocks in memory, by one engine; and two engines against each other on the same random blocks."""

from __future__ import annotations

from dataclasses import dataclass

from harness.engine_differential.blocks import BlockMaker
from harness.engine_differential.chain import RandomChain
from trinode.execution.block import BlockExecutor, ExecutedBlock
from trinode.execution.engine import Engine
from trinode.execution.errors import InvalidAttributes, InvalidBlock
from trinode.execution.genesis import build_genesis, parse_genesis
from trinode.execution.memory import MemoryState
from trinode.execution.state import Account, StateChanges
from trinode.execution.validity import DELEGATION_PREFIX
from trinode.protocol.header import Header
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import Address, Hash32

Rejection = InvalidBlock | InvalidAttributes
"""Why there is no block."""


class OurChain:
    """The chain that `engine` makes, from the genesis of `chain` on."""

    def __init__(self, chain: RandomChain, engine: Engine) -> None:
        genesis = build_genesis(parse_genesis(chain.genesis), chain.config)
        self._executor = BlockExecutor(chain.config, engine)
        self.engine = engine
        self.state = MemoryState(genesis)

    @property
    def head(self) -> Hash32:
        """The last block's hash."""
        return self.state.parent.hash

    @property
    def header(self) -> Header:
        """The last block's header."""
        return self.state.parent.header

    def build(self, attributes: PayloadAttributes) -> ExecutedBlock:
        """The block that `attributes` make on the head. Raises InvalidBlock or InvalidAttributes."""
        return self._executor.build(self.state.parent, attributes)

    def attempt(self, attributes: PayloadAttributes) -> ExecutedBlock | Rejection:
        """The block of `build`, or why there is none."""
        try:
            return self.build(attributes)
        except (InvalidBlock, InvalidAttributes) as error:
            return error

    def adopt(self, block: ExecutedBlock) -> None:
        """Makes a block of `build` the head."""
        self.state.apply(block)


def created_contracts(block: ExecutedBlock) -> list[Address]:
    """Accounts that the block gave new code, other than a delegation."""
    codes = {code_hash for code_hash, code in block.changes.codes.items() if not code.startswith(DELEGATION_PREFIX)}
    return sorted(address for address, account in block.changes.accounts.items() if account is not None and account.code_hash in codes)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two engines made different things of the same attributes for the block of that number: of the first that differs, what each has."""

    number: int
    what: str
    first: object
    second: object


def disagreement(schedule: str, seed: int, blocks: int, first: Engine, second: Engine) -> Disagreement | None:
    """The first thing in which two engines differ on a chain of random blocks; None if they agree on all of it: on the blocks refused, and for
    the others on receipts, results, changes of state and header."""
    maker = BlockMaker(schedule, seed, blocks)
    sides = [OurChain(maker.chain, engine) for engine in (first, second)]
    for number in range(1, blocks + 1):
        attributes = maker.attributes(sides[0].header, sides[0].state)
        while True:
            outcomes = [side.attempt(attributes) for side in sides]
            found = _first_difference(number, *outcomes)
            if found is not None:
                return found
            if isinstance(outcomes[0], Rejection):
                attributes = maker.smaller(attributes, outcomes[0])
                continue
            break
        for side, outcome in zip(sides, outcomes, strict=True):
            assert isinstance(outcome, ExecutedBlock)
            side.adopt(outcome)
        assert isinstance(outcomes[0], ExecutedBlock)
        maker.created(created_contracts(outcomes[0]))
    return None


def _first_difference(number: int, first: ExecutedBlock | Rejection, second: ExecutedBlock | Rejection) -> Disagreement | None:
    if isinstance(first, Rejection) or isinstance(second, Rejection):
        refused = [getattr(each, "field", "attributes") if isinstance(each, Rejection) else None for each in (first, second)]
        return None if refused[0] == refused[1] else Disagreement(number, "refused", first, second)
    for index, (ours, theirs) in enumerate(zip(first.results, second.results, strict=True)):
        for name in ("succeeded", "gas_used", "logs", "output", "contract_address", "deposit_nonce", "l1_fee", "operator_fee"):
            if getattr(ours, name) != getattr(theirs, name):
                return Disagreement(number, f"transaction {index} {name}: {first.prepared[index].transaction}", ours, theirs)
    for name in ("receipts", "header", "hash"):
        if getattr(first, name) != getattr(second, name):
            return Disagreement(number, name, getattr(first, name), getattr(second, name))
    for address in sorted(_changed(first.changes) | _changed(second.changes)):
        here, there = _changes_of(first.changes, address), _changes_of(second.changes, address)
        if here != there:
            return Disagreement(number, f"changes of 0x{address.hex()}", here, there)
    return None


def _changed(changes: StateChanges) -> set[Address]:
    return changes.accounts.keys() | changes.storage.keys()


def _changes_of(changes: StateChanges, address: Address) -> tuple[bool, Account | None, dict[int, int]]:
    """Whether the account is changed, and to what, and its storage. What is wiped without having been there, and codes that were there
    already or that nobody kept, may be in the changes of one engine and not of the other."""
    return address in changes.accounts, changes.accounts.get(address), changes.storage.get(address, {})
