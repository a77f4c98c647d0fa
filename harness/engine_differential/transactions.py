"""Random transactions of users: every type, mostly valid, many of them at the edge of being invalid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from harness.engine_differential.chain import CHAIN_ID, RICH, USER_KEYS, RandomChain
from harness.engine_differential.fees import da_footprint, fees_beyond_gas, least_gas
from harness.engine_differential.init_code import MAX_INIT_CODE_SIZE
from harness.engine_differential.predeploys import WELL
from harness.engine_differential.signing import sign_authorization
from harness.engine_differential.values import random_word
from trinode.execution.rules import EvmFork, ExecutionRules
from trinode.execution.state import StateReader
from trinode.protocol.l1_info import L1BlockInfo
from trinode.protocol.transaction import (
    AccessListEntry,
    AccessListTransaction,
    Authorization,
    BlobTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    SignedTransaction,
    encode_transaction,
    legacy_v,
    sign_transaction,
)
from trinode.protocol.types import Address

_INVALID = 0.02
"""How likely a transaction breaks a rule, so that its block is refused."""


@dataclass(slots=True)
class Surroundings:
    """What a transaction has to fit in: a block in the making. `nonces` and `balances` (an estimate) are those after the transactions
    before it; `gas_left` is what their limits have left of the block's, `data_left` the same of the DA footprint (Jovian)."""

    rules: ExecutionRules
    info: L1BlockInfo
    base_fee: int
    gas_left: int
    data_left: int
    state: StateReader
    nonces: dict[Address, int]
    balances: dict[Address, int]

    def nonce(self, address: Address) -> int:
        """The next nonce of an account, if nothing unforeseen raised it."""
        if address not in self.nonces:
            account = self.state.account(address)
            self.nonces[address] = 0 if account is None else account.nonce
        return self.nonces[address]

    def balance(self, address: Address) -> int:
        """What an account has at least, if it is not called."""
        if address not in self.balances:
            account = self.state.account(address)
            self.balances[address] = 0 if account is None else account.balance
        return self.balances[address]


class TransactionMaker:
    """A source of signed transactions of the users of a chain."""

    def __init__(self, chain: RandomChain, random: Random) -> None:
        self.chain = chain
        self.random = random

    def make(self, around: Surroundings) -> bytes | None:
        """A raw transaction for the next place in the block; None if not enough gas is left for it."""
        random = self.random
        sender = self._sender(around)
        tx = self._with_fees(self._unsigned(sender, around), around)
        tx = self._with_gas(tx, around)
        if tx.gas_limit > around.gas_left and random.random() < 0.97:
            return None
        broken = random.random() < _INVALID
        if broken:
            tx = self._broken(tx, sender, around)
        tx = self._with_affordable_value(tx, sender, around)
        key = USER_KEYS[sender]
        raw = encode_transaction(sign_transaction(tx, key))
        footprint = da_footprint(raw, around.rules, around.info)
        if footprint > around.data_left and random.random() < 0.97:
            return None
        around.data_left -= footprint
        self._account_for(raw, tx, sender, around)
        return raw

    def _sender(self, around: Surroundings) -> Address:
        """A user who has enough, mostly: what runs in a user's name may give it all away (EIP-7702)."""
        users = self.chain.accounts.users
        (sender,) = self.random.choices((self.random.choice(users[:-4]), self.random.choice(users[-4:-1]), users[-1]), (0.975, 0.02, 0.005))
        wealthy = [user for user in users[:-4] if around.balance(user) > RICH // 10**6]
        return self.random.choice(wealthy) if sender in users[:-4] and wealthy else sender

    def _account_for(self, raw: bytes, tx: SignedTransaction, sender: Address, around: Surroundings) -> None:
        spent = _cost(tx) + tx.value + fees_beyond_gas(raw, tx.gas_limit, around.rules, around.info)
        around.balances[sender] = max(0, around.balance(sender) - spent)
        around.nonces[sender] = tx.nonce + 1
        around.gas_left -= tx.gas_limit
        if isinstance(tx, SetCodeTransaction):
            for authority in self._authorities:
                around.nonces[authority] = around.nonce(authority) + 1

    # -- contents

    def _unsigned(self, sender: Address, around: Surroundings) -> SignedTransaction:
        random, accounts = self.random, self.chain.accounts
        kind = random.choice((0, 1, 2, 2, 4 if around.rules.evm >= EvmFork.PRAGUE else 2))
        to, data = accounts.contract(random), self._data()
        if kind != 4 and random.random() < 0.15:
            to_or_none, data = None, self.chain.programs.init_code()
        else:
            to_or_none = to if random.random() < 0.75 else accounts.any(random)
        value = 0 if random.random() < 0.7 else random.choice((1, 2, 1000, 10**9))
        nonce = around.nonce(sender)
        if kind == 0:
            chain_id = None if random.random() < 0.2 else CHAIN_ID
            return LegacyTransaction(nonce, 0, 0, to_or_none, value, data, v=legacy_v(chain_id))
        if kind == 1:
            return AccessListTransaction(CHAIN_ID, nonce, 0, 0, to_or_none, value, data, self._access_list())
        if kind == 2:
            return DynamicFeeTransaction(CHAIN_ID, nonce, 0, 0, 0, to_or_none, value, data, self._access_list())
        authorizations = self._authorizations(sender, around)
        target = to if to_or_none is None or random.random() < 0.5 else to_or_none
        return SetCodeTransaction(CHAIN_ID, nonce, 0, 0, 0, target, value, data, self._access_list(), authorizations)

    def _data(self) -> bytes:
        """Words as contracts expect them, or more bytes than gas (the floor of EIP-7623)."""
        random = self.random
        kind = random.random()
        if kind < 0.4:
            return b""
        if kind < 0.85:
            words = [random_word(random).to_bytes(32, "big") for _ in range(random.randint(1, 4))]
            return b"".join(words)[random.choice((0, 0, 0, 1, 28)) :]
        size = random.choice((100, 1000, 5000, 20_000))
        half = size // 2
        return random.choice((bytes(size), random.randbytes(size), random.randbytes(10) * (size // 10), random.randbytes(half) + bytes(half)))

    def _access_list(self) -> tuple[AccessListEntry, ...]:
        random = self.random
        if random.random() < 0.6:
            return ()
        return tuple(
            AccessListEntry(
                self.chain.accounts.any(random), tuple(random.randrange(4).to_bytes(32, "big") for _ in range(random.choice((0, 1, 3))))
            )
            for _ in range(random.randint(1, 3))
        )

    # -- authorizations of EIP-7702

    _authorities: tuple[Address, ...] = ()

    def _authorizations(self, sender: Address, around: Surroundings) -> tuple[Authorization, ...]:
        """One to four; `_authorities` are then those who are likely to have been counted up by them."""
        random = self.random
        result, nonces = [], {sender: around.nonce(sender) + 1}
        applied: list[Address] = []
        for _ in range(random.choice((1, 1, 2, 2, 3, 4))):
            authority = sender if random.random() < 0.2 else random.choice(self.chain.accounts.users)
            nonce = nonces.setdefault(authority, around.nonce(authority))
            chain_id = random.choice((0, CHAIN_ID, CHAIN_ID, CHAIN_ID))
            valid = random.random() < 0.8
            if not valid and random.random() < 0.5:
                nonce, chain_id = random.choice(((nonce + 1, chain_id), (nonce, CHAIN_ID + 1), (2**64 - 1, chain_id), (0, 2**256 - 1)))
            authorization = sign_authorization(chain_id, self._delegate(authority), nonce, USER_KEYS[authority])
            if valid:
                nonces[authority] += 1
                applied.append(authority)
            elif random.random() < 0.7:
                authorization = self._spoilt(authorization)
            result.append(authorization)
        self._authorities = tuple(applied)
        return tuple(result)

    def _delegate(self, authority: Address) -> Address:
        random, accounts = self.random, self.chain.accounts
        kind = random.random()
        if kind < 0.65:
            return accounts.contract(random)
        if kind < 0.8:
            return bytes(20)
        if kind < 0.9:
            return random.choice(accounts.precompiles)
        return random.choice((*accounts.users, authority))

    def _spoilt(self, authorization: Authorization) -> Authorization:
        half_order = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
        spoilt = (
            authorization._replace(y_parity=2),
            authorization._replace(y_parity=255),
            authorization._replace(r=0),
            authorization._replace(r=2**256 - 1),
            authorization._replace(s=0),
            authorization._replace(s=half_order + 1),
        )
        return self.random.choice(spoilt)

    # -- gas and fees

    def _with_fees(self, tx: SignedTransaction, around: Surroundings) -> SignedTransaction:
        random, base_fee = self.random, around.base_fee
        price = random.choice((base_fee, base_fee, base_fee + 1, base_fee + random.randrange(100), base_fee * 2))
        if isinstance(tx, LegacyTransaction | AccessListTransaction):
            return replace(tx, gas_price=price)
        tip = min(price, random.choice((0, 1, 50, price - base_fee, price)))
        return replace(tx, max_fee_per_gas=price, max_priority_fee_per_gas=tip)

    def _with_gas(self, tx: SignedTransaction, around: Surroundings) -> SignedTransaction:
        random = self.random
        least = least_gas(tx, around.rules.evm)
        kind = random.random()
        if kind < 0.08:
            extra = 0
        elif kind < 0.2:
            extra = random.randrange(1, 3000)
        elif kind < 0.5:
            extra = random.randrange(3000, 300_000)
        elif kind < 0.99:
            extra = random.randrange(300_000, 1_500_000)
        else:
            extra = random.choice((5_000_000, 2**24 - least))
        if tx.to == WELL and random.random() < 0.5:  # enough for 1,024 calls, of which each keeps a 64th; none of it is burnt
            cap = around.rules.transaction_gas_cap
            extra = 2**36 if cap is None else cap - least
        return replace(tx, gas_limit=least + max(0, min(extra, around.gas_left - least)))

    def _with_affordable_value(self, tx: SignedTransaction, sender: Address, around: Surroundings) -> SignedTransaction:
        """Now and then all that the sender has, to the wei, or one wei more."""
        if self.random.random() > (0.3 if sender in self.chain.accounts.users[-4:-1] else 0.003):
            return tx
        for _ in range(3):  # the fee for the data depends on the value's bytes
            raw = encode_transaction(sign_transaction(tx, USER_KEYS[sender]))
            rest = around.balance(sender) - _cost(tx) - fees_beyond_gas(raw, tx.gas_limit, around.rules, around.info)
            tx = replace(tx, value=max(0, rest))
        return replace(tx, value=tx.value + (1 if self.random.random() < 0.2 else 0))

    # -- rules to break

    def _broken(self, tx: SignedTransaction, sender: Address, around: Surroundings) -> SignedTransaction:
        kind = self.random.randrange(11)
        if kind == 0:
            return replace(tx, nonce=max(0, tx.nonce - 1))
        if kind == 1:
            return replace(tx, nonce=tx.nonce + self.random.choice((1, 2**40)))
        if kind == 2:
            return replace(tx, gas_limit=max(0, least_gas(tx, around.rules.evm) - 1))
        if kind == 3:
            return replace(tx, value=around.balance(sender) + 1)
        if kind == 4:
            return replace(tx, gas_limit=self.random.choice((2**24 + 1, around.gas_left + 1, 2**40)))
        if kind == 5 and not isinstance(tx, SetCodeTransaction | BlobTransaction):
            return replace(tx, to=None, data=bytes(MAX_INIT_CODE_SIZE + 1), gas_limit=max(tx.gas_limit, 1_000_000))
        if kind == 7:
            return self._of_a_type_not_allowed(tx)
        if isinstance(tx, LegacyTransaction):
            return replace(tx, v=legacy_v(CHAIN_ID + 1)) if kind < 7 else replace(tx, gas_price=max(0, around.base_fee - 1))
        if kind == 6:
            return replace(tx, chain_id=CHAIN_ID + 1)
        if isinstance(tx, AccessListTransaction):
            return replace(tx, gas_price=max(0, around.base_fee - 1))
        if kind == 8:
            return replace(tx, max_fee_per_gas=max(0, around.base_fee - 1), max_priority_fee_per_gas=0)
        if kind == 9:
            return replace(tx, max_priority_fee_per_gas=tx.max_fee_per_gas + 1)
        return replace(tx, authorization_list=()) if isinstance(tx, SetCodeTransaction) else replace(tx, max_fee_per_gas=2**256 - 1)

    def _of_a_type_not_allowed(self, tx: SignedTransaction) -> SignedTransaction:
        """A blob transaction, or one that sets code, which may be too early."""
        to = tx.to or self.chain.accounts.users[0]
        fees = (10**10, 10**12, 100_000, to, 0, b"", ())
        if self.random.random() < 0.7:
            return BlobTransaction(CHAIN_ID, tx.nonce, *fees, 10, (b"\x01" + bytes(31),))
        return SetCodeTransaction(CHAIN_ID, tx.nonce, *fees, (Authorization(0, to, 0, 0, 1, 1),))


def _cost(tx: SignedTransaction) -> int:
    price = tx.gas_price if isinstance(tx, LegacyTransaction | AccessListTransaction) else tx.max_fee_per_gas
    return tx.gas_limit * price
