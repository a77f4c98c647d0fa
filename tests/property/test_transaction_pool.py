"""The pool against a model that keeps all transactions in a list and thinks everything anew each time; and a pool that is
much too small, of which it is only asked that it stays within its limits and offers valid blocks.

Blocks are really executed, and their states are in a real store: nonces and balances come from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.engine.pool.pool_chain import ADDRESSES, PoolChain, pay, set_fee, taken
from tests.unit.execution.small_chain import ETHER
from trinode.engine.pool import PoolError, PoolLimits
from trinode.execution.block import ExecutedBlock
from trinode.execution.fees import L1_BLOCK, l1_fee, operator_fee, read_l1_fee_parameters
from trinode.execution.recovery import recover_sender
from trinode.execution.state import EMPTY_ACCOUNT, Account
from trinode.protocol.transaction import DynamicFeeTransaction, decode_transaction, transaction_hash
from trinode.protocol.types import Address, Hash32

keys = st.integers(0, 3)
tips = st.sampled_from([1, 2, 3, 20, 21, 22, 500])
fees = st.sampled_from([600, 990, 1_000, 1_100, 100_000, 110_000, 200_000])
values = st.sampled_from([1, ETHER // 10, ETHER // 3, 2 * ETHER])
sizes = st.sampled_from([0, 0, 0, 40_000])


@dataclass
class Kept:
    """A transaction of the model."""

    raw: bytes
    transaction: DynamicFeeTransaction
    sender: Address
    pending: bool = False
    since: float = 0.0


def kept(raw: bytes) -> Kept:
    transaction = decode_transaction(raw)
    sender = recover_sender(transaction)
    assert isinstance(transaction, DynamicFeeTransaction)
    assert isinstance(sender, bytes)
    return Kept(raw, transaction, sender)


class Pooling(RuleBasedStateMachine):
    """A chain with a pool, and what happens to it. `blocks`: the canonical ones after genesis."""

    limits = PoolLimits()

    @initialize()
    def begin(self) -> None:
        self.path = Path(mkdtemp(prefix="pool"))
        self.chain = PoolChain(self.path / "store", self.limits)
        self.pool = self.chain.pool
        self.genesis = self.chain.store.head.hash
        self.blocks: list[ExecutedBlock] = []
        self.seen: list[bytes] = []

    def teardown(self) -> None:
        self.chain.store.close()
        rmtree(self.path)

    # ---- what the model hooks into ----

    def came(self, raw: bytes, *, taken: bool) -> None:
        """The pool was given a transaction."""

    def moved(self, taken_back: list[bytes]) -> None:
        """The pool was told of a head."""

    # ---- what happens ----

    @rule(key=keys, gap=st.integers(-1, 4), tip=tips, fee=fees, value=values, size=sizes)
    def a_transaction_comes(self, key: int, gap: int, tip: int, fee: int, value: int, size: int) -> None:
        nonce = max(0, self.account(ADDRESSES[key]).nonce + gap)
        data = bytes(size)
        self._send(pay(nonce, key, tip=min(tip, fee), fee=fee, value=value, data=data, gas=25_000 + 10 * size, to=ADDRESSES[(key + 1) % 4]))

    @rule(pick=st.integers(0, 1 << 16))
    def a_transaction_comes_again(self, pick: int) -> None:
        if self.seen:
            self._send(self.seen[pick % len(self.seen)])

    def _send(self, raw: bytes) -> None:
        self.seen.append(raw)
        known = self.pool.get(transaction_hash(raw)) is not None
        refusal = None
        try:
            assert self.pool.add(raw) == transaction_hash(raw)
        except PoolError as error:
            refusal = error.message
        assert (refusal == "already known") == known
        if not known:
            self.came(raw, taken=refusal is None)

    @rule(told=st.booleans(), fee=st.sampled_from([None, None, 9, 10**16, 2 * 10**17]))
    def a_block_is_built_from_the_pool(self, told: bool, fee: int | None) -> None:
        forced = () if fee is None else (set_fee(8, fee),)
        block = self.chain.build(*forced)
        if fee is None:
            self.check_built(block)
        self._append(block, told)

    @rule(told=st.booleans(), picks=st.lists(st.integers(0, 1 << 16), max_size=4))
    def a_block_of_others_is_chosen(self, told: bool, picks: list[int]) -> None:
        offered = [self.seen[pick % len(self.seen)] for pick in picks if self.seen]
        self._append(self.chain.build(offered=offered), told)

    def _append(self, block: ExecutedBlock, told: bool) -> None:
        self.blocks.append(block)
        self.chain.append(block, told=told)
        self.moved([])

    @rule(depth=st.integers(1, 3), branch=st.booleans())
    def blocks_are_taken_back(self, depth: int, branch: bool) -> None:
        if not self.blocks:
            return
        gone = self.blocks[-depth:]
        del self.blocks[-depth:]
        self.chain.store.rewind(self.blocks[-1].hash if self.blocks else self.genesis)
        if branch:
            self.blocks.append(self.chain.build(offered=[raw for block in gone for raw in taken(block)[::2]]))
            self.chain.store.append(self.blocks[-1])
        self.pool.head_moved(self.blocks[-1:] if branch else ())
        self.moved([raw for block in gone for raw in taken(block)])

    @rule(hours=st.integers(1, 3))
    def time_passes(self, hours: int) -> None:
        self.chain.clock.now += hours * 3_600

    # ---- what must hold ----

    def account(self, address: Address) -> Account:
        return self.chain.store.state_at(self.chain.store.head.hash).account(address) or EMPTY_ACCOUNT

    def cost(self, each: Kept) -> int:
        """The most that a transaction costs, by the formulas of execution."""
        store = self.chain.store
        rules, state = self.chain.executor.rules(store.head_header.timestamp), store.state_at(store.head.hash)
        parameters = read_l1_fee_parameters(rules, lambda slot: state.storage(L1_BLOCK, slot))
        transaction = each.transaction
        gas = transaction.gas_limit * transaction.max_fee_per_gas
        return gas + transaction.value + l1_fee(parameters, each.raw) + operator_fee(rules, parameters, transaction.gas_limit)

    def check_built(self, block: ExecutedBlock) -> None:
        """A block built from the pool has all that is pending, up to what pays too little; nothing else, and ordered."""
        base_fee = block.header.base_fee_per_gas or 0
        expected = set()
        for by_nonce in self.pool.content().pending.values():
            for raw in by_nonce.values():
                if kept(raw).transaction.max_fee_per_gas < base_fee:
                    break
                expected.add(raw)
        assert set(taken(block)) == expected
        last: dict[Address, int] = {}
        for raw in taken(block):
            each = kept(raw)
            assert last.get(each.sender, -1) < each.transaction.nonce
            last[each.sender] = each.transaction.nonce

    @invariant()
    def the_parts_are_sound(self) -> None:
        content, status = self.pool.content(), self.pool.status()
        slots = []
        for part, count in ((content.pending, status.pending), (content.queued, status.queued)):
            raws = [raw for by_nonce in part.values() for raw in by_nonce.values()]
            assert len(raws) == count
            assert all(self.pool.get(transaction_hash(raw)) == raw for raw in raws)
            slots.append(sum(-(-len(raw) // 32_768) for raw in raws))
        assert slots[0] <= self.limits.global_slots
        assert slots[1] <= self.limits.global_queue
        for address in ADDRESSES[:4]:
            nonce = self.account(address).nonce
            pending, queued = content.pending.get(address, {}), content.queued.get(address, {})
            assert list(pending) == list(range(nonce, nonce + len(pending)))
            assert self.pool.pending_nonce(address) == (nonce + len(pending) if pending else None)
            assert all(each > nonce + len(pending) - 1 for each in queued)
            assert len(queued) <= self.limits.account_queue
            assert sum(self.cost(kept(raw)) for raw in pending.values()) <= self.account(address).balance
            assert all(kept(raw).sender == address for raw in (*pending.values(), *queued.values()))
            if pending:  # what is counted up step by step is what it comes to
                assert self.pool._accounts[address].spent == sum(self.cost(kept(raw)) for raw in pending.values())


class Modelled(Pooling):
    """A pool with room for all."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.model: list[Kept] = []

    def came(self, raw: bytes, *, taken: bool) -> None:
        self._expire()
        assert self._takes(kept(raw)) == taken

    def _takes(self, new: Kept) -> bool:
        """Whether the pool should take a transaction; if so, it is in the model then."""
        account = self.account(new.sender)
        old = next((each for each in self._of(new.sender) if each.transaction.nonce == new.transaction.nonce), None)
        need = self.cost(new) + sum(self.cost(each) for each in self._of(new.sender) if each.pending and each is not old)
        if new.transaction.nonce < account.nonce or max(need, self.cost(new)) > account.balance:
            return False
        if old is not None:
            if not all(
                price > former and price >= former * 110 // 100
                for price, former in (
                    (new.transaction.max_fee_per_gas, old.transaction.max_fee_per_gas),
                    (new.transaction.max_priority_fee_per_gas, old.transaction.max_priority_fee_per_gas),
                )
            ):
                return False
            self.model.remove(old)
        new.since = self.chain.clock.now
        self.model.append(new)
        self._sort(new.sender)
        return True

    def moved(self, taken_back: list[bytes]) -> None:
        self.model = [each for each in self.model if each.transaction.nonce >= self.account(each.sender).nonce]
        for address in ADDRESSES[:4]:
            self._sort(address)
        for raw in taken_back:
            self._takes(kept(raw))
        self._expire()

    def _of(self, sender: Address) -> list[Kept]:
        return sorted((each for each in self.model if each.sender == sender), key=lambda each: each.transaction.nonce)

    def _sort(self, sender: Address) -> None:
        """Which of an account's transactions are pending."""
        account = self.account(sender)
        nonce, left = account.nonce, account.balance
        for each in self._of(sender):
            pending = each.transaction.nonce == nonce and self.cost(each) <= left
            if pending:
                nonce, left = nonce + 1, left - self.cost(each)
            elif each.pending:
                each.since = self.chain.clock.now
            each.pending = pending

    def _expire(self) -> None:
        oldest = self.chain.clock.now - self.limits.lifetime
        self.model = [each for each in self.model if each.pending or each.since >= oldest]

    @invariant()
    def the_pool_is_as_the_model(self) -> None:
        content = self.pool.content()
        for part, pending in ((content.pending, True), (content.queued, False)):
            found = {(address, nonce): raw for address, by_nonce in part.items() for nonce, raw in by_nonce.items()}
            assert found == {(each.sender, each.transaction.nonce): each.raw for each in self.model if each.pending == pending}


class Crowded(Pooling):
    """A pool that is always full."""

    limits = PoolLimits(account_slots=1, global_slots=4, account_queue=2, global_queue=3)

    def check_built(self, block: ExecutedBlock) -> None:
        super().check_built(block)
        assert len(taken(block)) <= self.limits.global_slots

    @invariant()
    def what_is_best_is_pending(self) -> None:
        pending: set[Hash32] = {transaction_hash(raw) for part in self.pool.content().pending.values() for raw in part.values()}
        assert {transaction_hash(raw) for raw in self.pool.best(0)} == pending


TestPool = Modelled.TestCase
TestPool.settings = settings(stateful_step_count=30)

TestCrowdedPool = Crowded.TestCase
TestCrowdedPool.settings = settings(stateful_step_count=40)
