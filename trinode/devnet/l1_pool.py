"""The transactions that wait for a block of the devnet's L1: by sender and nonce, in the order in which they came."""

from __future__ import annotations

from collections.abc import Iterator

from trinode.devnet.l1_transactions import TransactionNotTaken, WaitingTransaction, check_replacement
from trinode.protocol.types import Address, Hash32

MAX_WAITING = 4_096
MAX_WAITING_BYTES = 128 << 20
MAX_NONCE_GAP = 1_024


class WaitingPool:
    """Each transaction has a sequence number, which says when it came."""

    def __init__(self) -> None:
        self._by_sender: dict[Address, dict[int, tuple[int, WaitingTransaction]]] = {}
        self._by_hash: dict[Hash32, WaitingTransaction] = {}
        self._bytes = 0
        self._next = 0

    def __len__(self) -> int:
        return len(self._by_hash)

    def get(self, hash: Hash32) -> WaitingTransaction | None:
        """The transaction of that hash."""
        return self._by_hash.get(hash)

    def check(self, waiting: WaitingTransaction, account_nonce: int) -> None:
        """Whether `add` may take it. Raises TransactionNotTaken."""
        nonce = waiting.transaction.nonce
        if waiting.hash in self._by_hash:
            raise TransactionNotTaken("already known")
        if nonce < account_nonce:
            raise TransactionNotTaken(f"nonce too low: next nonce {account_nonce}, tx nonce {nonce}")
        if nonce > account_nonce + MAX_NONCE_GAP:
            raise TransactionNotTaken(f"nonce too high: next nonce {account_nonce}, tx nonce {nonce}")
        old = self._by_sender.get(waiting.sender, {}).get(nonce)
        if old is not None:
            check_replacement(old[1].transaction, waiting.transaction)
        elif len(self) >= MAX_WAITING or self._bytes + len(waiting.wire) > MAX_WAITING_BYTES:
            raise TransactionNotTaken("txpool is full")

    def add(self, waiting: WaitingTransaction, sequence: int | None = None) -> tuple[int, int | None]:
        """Takes it. Its sequence number, a new one if none is given, and that of the one in whose place it is."""
        sequence = self._next if sequence is None else sequence
        self._next = max(self._next, sequence + 1)
        of_sender = self._by_sender.setdefault(waiting.sender, {})
        old = of_sender.get(waiting.transaction.nonce)
        if old is not None:
            self._forget(old[1])
        of_sender[waiting.transaction.nonce] = sequence, waiting
        self._by_hash[waiting.hash] = waiting
        self._bytes += len(waiting.wire)
        return sequence, None if old is None else old[0]

    def remove_below(self, sender: Address, nonce: int) -> list[int]:
        """Takes out what the sender can never again use; the sequence numbers."""
        of_sender = self._by_sender.get(sender, {})
        gone = [of_sender.pop(each) for each in sorted(of_sender) if each < nonce]
        if not of_sender:
            self._by_sender.pop(sender, None)
        for _, waiting in gone:
            self._forget(waiting)
        return [sequence for sequence, _ in gone]

    def _forget(self, waiting: WaitingTransaction) -> None:
        del self._by_hash[waiting.hash]
        self._bytes -= len(waiting.wire)

    def next_nonce(self, sender: Address, account_nonce: int) -> int:
        """The first nonce from the account's on that no waiting transaction has."""
        of_sender = self._by_sender.get(sender, {})
        while account_nonce in of_sender:
            account_nonce += 1
        return account_nonce

    def in_order(self) -> Iterator[WaitingTransaction]:
        """Those that came first are first, and a sender's are by nonce."""
        placed: list[tuple[int, WaitingTransaction]] = []
        for of_sender in self._by_sender.values():
            sequences = sorted(sequence for sequence, _ in of_sender.values())
            placed += zip(sequences, [of_sender[nonce][1] for nonce in sorted(of_sender)], strict=True)
        for _, waiting in sorted(placed, key=lambda each: each[0]):
            yield waiting
