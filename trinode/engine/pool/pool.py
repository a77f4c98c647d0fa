"""The pool itself: transactions come, replace each other, wait, are offered to blocks, and leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Lock

from trinode.engine.pool.account import Moved, PooledAccount
from trinode.engine.pool.admission import admit, check_form, decode
from trinode.engine.pool.condition import MOST_COST_OF_A_BLOCK, Beginning, Condition
from trinode.engine.pool.content import PoolContent, PoolStatus, content_of
from trinode.engine.pool.head import read_head
from trinode.engine.pool.limits import PoolError, PoolLimits
from trinode.engine.pool.order import DaLimits, in_order
from trinode.engine.pool.pooled import PooledTransaction
from trinode.engine.pool.reorg import leads, still_fits, taken_back
from trinode.engine.pool.sender import check_delegation, check_sender
from trinode.engine.pool.shelf import Shelf, Worth
from trinode.execution.block import ExecutedBlock
from trinode.execution.state import EMPTY_ACCOUNT, Account
from trinode.protocol.transaction import transaction_hash
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import RollupConfig
from trinode.storage.store import Store

_SETTLED_AT_ONCE = 256
"""Transactions that are looked at with each block, roughly, because fees have changed, and not because the block touched their
accounts: a millisecond of work. Until its turn comes, what the balance does not cover any more is passed over by the block."""


_CONDITIONAL = 10_000
"""Transactions that came with conditions last, and do not come back without them."""


class TransactionPool:
    """The pool of a node. All methods may be called on any thread, `head_moved` on that of the engine alone.

    All methods that read accounts raise MissingState where the store is closed, and CorruptStore where it is damaged.
    """

    def __init__(self, config: RollupConfig, store: Store, limits: PoolLimits, *, clock: Callable[[], float]) -> None:
        """`clock`: seconds since whenever, for the time that transactions may be queued."""
        self._config = config
        self._store = store
        self._limits = limits
        self._clock = clock
        self._head = read_head(config, store)
        self._lock = Lock()  # for all that follows, and for changes of the head
        self._accounts: dict[Address, PooledAccount] = {}
        self._pending = Shelf(limits.global_slots, self._worth)
        self._queued = Shelf(limits.global_queue, self._worth)
        self._authorities: Counter[Address] = Counter()
        self._unsettled: dict[Address, None] = {}  # by the fees of a former head
        self._demoted: dict[Address, None] = {}  # their queues may be too long
        self._da_limits = DaLimits()
        self._version = 0
        self.on_added: Callable[[], None] | None = None
        """Is called after each transaction that came, on the thread that brought it, without the lock."""
        self.on_pending: Callable[[Sequence[bytes]], None] | None = None
        """Is given the raw transactions that became pending, those of reorgs among them; else as `on_added`."""
        self._promoted: dict[Hash32, PooledTransaction] = {}
        self._conditional: dict[Hash32, None] = {}  # also those that are gone

    # ---- users ----

    def add(self, raw: bytes, condition: Condition | None = None) -> Hash32:
        """Takes a transaction, which goes when it is offered to a block and its condition does not hold. Its hash. Raises PoolError."""
        if self.get(transaction_hash(raw)) is not None:
            raise PoolError("already known")
        head = self._head
        transaction = admit(raw, self._config.l2_chain_id, self._limits, head)
        transaction.condition = condition
        with self._lock:
            if self._head is not head:
                check_form(decode(raw), self._config.l2_chain_id, self._head)
            self._expire()
            self._insert(transaction)
            if condition is not None:
                self._note_conditional(transaction.hash)
            promoted = self._take_promoted()
        if self.on_added is not None:
            self.on_added()
        self._tell(promoted)
        return transaction.hash

    def get(self, hash: Hash32) -> bytes | None:
        """The raw transaction; None: it is not here."""
        with self._lock:
            found = self._pending.transactions.get(hash) or self._queued.transactions.get(hash)
        return None if found is None else found.raw

    def pending_nonce(self, address: Address) -> int | None:
        """The nonce after the account's pending transactions; None: it has none."""
        with self._lock:
            account = self._accounts.get(address)
            return account.next_nonce if account is not None and account.run else None

    def content(self) -> PoolContent:
        """All transactions."""
        with self._lock:
            return content_of(self._accounts.values())

    def status(self) -> PoolStatus:
        """How many transactions there are."""
        with self._lock:
            return PoolStatus(len(self._pending), len(self._queued))

    @property
    def version(self) -> int:
        """Counts the transactions that came: another number means that there is something new."""
        return self._version

    # ---- the engine ----

    def best(self, base_fee: int, block: Beginning | None = None) -> Iterator[bytes]:
        """The pending transactions as they are now, in the order in which a block of that base fee (wei) should try them.

        Of an account they come by nonce: where a block passes over one, the next ones are not valid in it. Those whose conditions do not
        hold for `block` leave the pool; without `block`, none that has conditions is given.
        """
        with self._lock:
            runs = [tuple(account.run) for account in self._accounts.values() if account.run]
            limits = self._da_limits
        return (transaction.raw for transaction in self._as_they_want(in_order(runs, base_fee, limits), block))

    def _as_they_want(self, ordered: Iterator[PooledTransaction], block: Beginning | None) -> Iterator[PooledTransaction]:
        cost = 0
        for transaction in ordered:
            condition = transaction.condition
            if condition is not None:
                cost += condition.cost
                if block is None or cost > MOST_COST_OF_A_BLOCK:
                    continue  # for a later block
                if condition.problem(block.number, block.timestamp, block.state, block.tries) is not None:
                    self._reject(transaction)
                    continue
            yield transaction

    def _reject(self, transaction: PooledTransaction) -> None:
        with self._lock:
            self._drop(transaction)
            self._trim()

    def set_max_da_size(self, transaction: int | None, block: int | None) -> None:
        """Bytes of data at most that `best` offers, of one transaction and of all together (op-geth: miner_setMaxDASize,
        where 0 stands for no limit); None: no limit.
        """
        with self._lock:
            self._da_limits = DaLimits(transaction, block)

    def head_moved(self, appended: Sequence[ExecutedBlock] = ()) -> None:
        """The store has another head. `appended`: the blocks that became canonical since the last call, if none was taken
        back; then only the accounts that they changed are looked at. All are, if `appended` does not lead from the last
        head to this one.

        Transactions of blocks that were taken back come again, but not after a reorg of more than 64 blocks.
        """
        before, head = self._head, read_head(self._config, self._store, appended)
        if head.hash == before.hash:
            return
        follows = leads(before.hash, head.hash, appended)
        returning = [] if follows else taken_back(self._store, before)
        with self._lock:
            changed = self._changed(appended) if follows else {address: head.account(address) for address in self._accounts}
            self._head = head
            self._pending.reorder()
            self._queued.reorder()
            for address, state in changed.items():
                self._update(self._accounts[address], state)
            if head.rules is not before.rules or head.header.gas_limit < before.header.gas_limit:
                self._drop_what_does_not_fit()
            if head.costs != before.costs:
                self._unsettled = dict.fromkeys(self._accounts)
            self._settle_some()
            for transaction in returning:
                self._return(transaction)
            self._trim()
            self._expire()
            promoted = self._take_promoted()
        self._tell(promoted)

    def _take_promoted(self) -> list[bytes]:
        """What became pending since the last call, and is it still."""
        promoted, self._promoted = self._promoted.values(), {}
        return [each.raw for each in promoted if self._pending.transactions.get(each.hash) is each]

    def _tell(self, promoted: Sequence[bytes]) -> None:
        if promoted and self.on_pending is not None:
            self.on_pending(promoted)

    # ---- coming ----

    def _insert(self, transaction: PooledTransaction) -> None:
        """Raises PoolError."""
        if transaction.hash in self._pending.transactions or transaction.hash in self._queued.transactions:
            raise PoolError("already known")
        account = self._accounts.get(transaction.sender)
        if account is None:
            account = PooledAccount(transaction.sender, self._head.account(transaction.sender))
        elif transaction.sender in self._unsettled:
            self._settle(account)
        check_sender(transaction, account, self._head, self._limits)
        check_delegation(transaction, account, self._authorities, self._count)
        transaction.order, transaction.since = self._version, self._clock()
        replaced = account.transactions.get(transaction.nonce)
        weaker = self._room_for(transaction, account, replaced)
        if replaced is not None:
            self._forget(replaced)
        account.transactions[transaction.nonce] = transaction
        self._accounts[transaction.sender] = account
        self._queued.add(transaction)
        self._authorities.update(transaction.authorities)
        self._move(account.extend(self._head.costs) if replaced is None else account.settle(self._head.costs))
        for victim in weaker:
            self._drop(victim)
        self._trim()
        if account.transactions.get(transaction.nonce) is not transaction:
            raise PoolError("txpool is full")  # what it made pending is worth more than the transaction itself
        self._version += 1

    def _room_for(self, transaction: PooledTransaction, account: PooledAccount, replaced: PooledTransaction | None) -> list[PooledTransaction]:
        """Who must give way to the transaction. Raises PoolError."""
        pending = transaction.nonce <= account.next_nonce
        shelf = self._pending if pending else self._queued
        freed = replaced.slots if replaced is not None and replaced.pending == pending else 0
        needed = shelf.excess(transaction.slots - freed)
        weaker = shelf.weakest(needed, spared=transaction.sender) if needed else []
        if sum(victim.slots for victim in weaker) < needed:
            raise PoolError("txpool is full")
        worth = self._worth_in(account, transaction, pending=pending)
        if weaker and (strongest := self._worth(weaker[-1])) >= worth:
            raise PoolError("transaction underpriced" if strongest[0] == worth[0] else "txpool is full")
        return weaker

    def _return(self, transaction: PooledTransaction) -> None:
        """Takes a transaction of a block that was taken back."""
        if transaction.hash in self._conditional:  # by now the chain is not as its sender wanted it
            return
        if still_fits(transaction, self._config.l2_chain_id, self._head):
            with suppress(PoolError):  # the new chain has it too, or its sender has replaced it, or has spent the money
                self._insert(transaction)

    def _note_conditional(self, hash: Hash32) -> None:
        self._conditional[hash] = None
        if len(self._conditional) > _CONDITIONAL:
            del self._conditional[next(iter(self._conditional))]

    # ---- staying ----

    def _worth(self, transaction: PooledTransaction) -> Worth:
        return self._worth_in(self._accounts[transaction.sender], transaction, pending=transaction.pending)

    def _worth_in(self, account: PooledAccount, transaction: PooledTransaction, *, pending: bool) -> Worth:
        guaranteed = pending and account.is_guaranteed(transaction.nonce, self._limits.account_slots)
        return guaranteed, transaction.tip(self._head.base_fee), -transaction.order

    def _count(self, address: Address) -> int:
        account = self._accounts.get(address)
        return 0 if account is None else len(account.transactions)

    def _changed(self, blocks: Sequence[ExecutedBlock]) -> dict[Address, Account]:
        """The accounts that have transactions here and that these blocks have changed, as the last of them left each."""
        changed: dict[Address, Account] = {}
        for block in blocks:
            accounts = block.changes.accounts
            changed.update((address, accounts[address] or EMPTY_ACCOUNT) for address in accounts.keys() & self._accounts.keys())
        return changed

    def _update(self, account: PooledAccount, state: Account) -> None:
        account.state = state
        for transaction in account.outdated():
            del account.transactions[transaction.nonce]
            self._forget(transaction)
        self._settle(account)

    def _settle(self, account: PooledAccount) -> None:
        self._unsettled.pop(account.address, None)
        self._move(account.settle(self._head.costs))
        if not account.transactions:
            del self._accounts[account.address]

    def _settle_some(self) -> None:
        left = _SETTLED_AT_ONCE
        while left > 0 and self._unsettled:
            account = self._accounts[next(iter(self._unsettled))]
            left -= len(account.transactions)
            self._settle(account)

    def _move(self, moved: Moved) -> None:
        for transaction in moved.promoted:
            self._queued.remove(transaction)
            self._pending.add(transaction)
            self._promoted[transaction.hash] = transaction
        for transaction in moved.demoted:
            self._pending.remove(transaction)
            transaction.since = self._clock()
            self._queued.add(transaction)
            self._demoted[transaction.sender] = None

    # ---- leaving ----

    def _trim(self) -> None:
        """Brings everything back within its limits."""
        while self._demoted or self._pending.excess() or self._queued.excess():
            while self._demoted:
                address, _ = self._demoted.popitem()
                self._trim_account(address)
            for shelf in (self._pending, self._queued):
                for victim in shelf.weakest(shelf.excess()):
                    self._drop(victim)

    def _trim_account(self, address: Address) -> None:
        account = self._accounts.get(address)
        excess = 0 if account is None else account.queued - self._limits.account_queue
        if account is not None and excess > 0:
            for nonce in sorted(account.transactions)[-excess:]:
                self._drop(account.transactions[nonce])

    def _expire(self) -> None:
        oldest = self._clock() - self._limits.lifetime
        while (first := next(iter(self._queued.transactions.values()), None)) is not None and first.since < oldest:
            self._drop(first)

    def _drop_what_does_not_fit(self) -> None:
        for transaction in (*self._pending.transactions.values(), *self._queued.transactions.values()):
            if not still_fits(transaction, self._config.l2_chain_id, self._head):
                self._drop(transaction)

    def _drop(self, transaction: PooledTransaction) -> None:
        """Lets go of a transaction, if it is still here."""
        account = self._accounts.get(transaction.sender)
        if account is not None and account.transactions.get(transaction.nonce) is transaction:
            del account.transactions[transaction.nonce]
            self._forget(transaction)
            if transaction.sender in self._unsettled or not account.transactions:
                self._settle(account)
            else:
                self._move(account.cut(transaction.nonce, self._head.costs))

    def _forget(self, transaction: PooledTransaction) -> None:
        """Of a transaction that its account has no more."""
        (self._pending if transaction.pending else self._queued).remove(transaction)
        for authority in transaction.authorities:
            self._authorities[authority] -= 1
            if not self._authorities[authority]:
                del self._authorities[authority]
