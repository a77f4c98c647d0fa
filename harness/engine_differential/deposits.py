"""Random deposits: mints and values, creations and calls, limits too low, senders of every kind."""

from __future__ import annotations

from random import Random

from harness.engine_differential.chain import CONTRACTS, RandomChain
from harness.engine_differential.values import random_word
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.types import Address
from trinode.rollup.fork import Fork


class DepositMaker:
    """A source of user deposits for a chain."""

    def __init__(self, chain: RandomChain, random: Random) -> None:
        self.chain = chain
        self.random = random

    def make(self, fork: Fork) -> DepositTransaction:
        """A deposit as the deposit contract on L1 might have made it, or a system transaction where there are some (before Regolith)."""
        random, accounts = self.random, self.chain.accounts
        creates = random.random() < 0.2
        system = random.random() < (0.1 if fork < Fork.REGOLITH else 0.002)
        words = [random_word(random).to_bytes(32, "big") for _ in range(random.choice((0, 0, 1, 2, 8)))]
        mint = random.choice((0, 0, 0, 1, 10**9, 10**18, 2**96))
        return DepositTransaction(
            source_hash=random.randbytes(32),
            sender=self._sender(),
            to=None if creates else accounts.any(random),
            mint=mint,
            value=random.choice((0, 0, 0, 1, mint, mint, mint + 1, 10**30)),
            gas_limit=self._gas_limit(),
            is_system_transaction=system,
            data=self.chain.programs.init_code() if creates else b"".join(words),
        )

    def _sender(self) -> Address:
        """A user, a contract, or an account that may not exist yet. No contract of the genesis: some have the highest nonce there is, and
        what a deposit makes of that is nothing that can happen."""
        random, accounts = self.random, self.chain.accounts
        kind = random.random()
        if kind < 0.5:
            return random.choice(accounts.users)
        made = accounts.contracts[CONTRACTS:]
        return random.choice(made) if made and kind < 0.7 else b"\xab" * 19 + bytes([random.randrange(16)])

    def _gas_limit(self) -> int:
        kind = self.random.random()
        if kind < 0.1:
            return self.random.choice((0, 1, 20_999))
        if kind < 0.25:
            return self.random.randrange(21_000, 60_000)
        if kind < 0.995:
            return self.random.randrange(60_000, 500_000)
        return self.random.choice((2**24 + 1, 2**41))
