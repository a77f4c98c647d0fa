"""Makes up signed transactions such as users of an L2 send: every type, creations, access lists, extreme values."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

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

USER_KEYS = tuple(bytes(31) + bytes([number]) for number in range(101, 109))
_BIG_FACTOR = 40  # a big transaction is so many times larger than a usual one


@dataclass(slots=True)
class TransactionMaker:
    """A source of transactions for one chain; all randomness is the caller's.

    `data_bytes`: about how much calldata a transaction has; one in thirty has forty times as much.
    """

    chain_id: int
    random: Random
    data_bytes: int = 100
    nonce: int = 0

    def make(self, *, set_code: bool) -> bytes:
        """A raw transaction of type 0, 1 or 2, or 4 where `set_code` allows it."""
        kind = self.random.choice((0, 0, 1, 1, 2, 2, 2, 2, 2, 4) if set_code else (0, 0, 1, 1, 2, 2, 2, 2))
        return self._sign(self._unsigned(kind))

    def make_set_code(self) -> bytes:
        """A raw transaction of type 4."""
        return self._sign(self._unsigned(4))

    def make_blob(self) -> bytes:
        """A raw transaction of type 3, which no L2 block may hold."""
        to = self._address()
        hashes = (b"\x01" + self.random.randbytes(31),)
        return self._sign(BlobTransaction(self.chain_id, self._next_nonce(), 1, 2, 21_000, to, 0, b"", (), 1, hashes))

    def _sign(self, tx: SignedTransaction) -> bytes:
        return encode_transaction(sign_transaction(tx, self.random.choice(USER_KEYS)))

    def _unsigned(self, kind: int) -> SignedTransaction:
        to = None if self.random.random() < 0.1 else self._address()
        call = (self._gas(), to, self._amount(), self._data())
        nonce, price = self._next_nonce(), self._price()
        if kind == 0:
            chain_id = None if self.random.random() < 0.2 else self.chain_id
            return LegacyTransaction(nonce, price, *call, v=legacy_v(chain_id))
        if kind == 1:
            return AccessListTransaction(self.chain_id, nonce, price, *call, self._access_list())
        tip = min(price, self._price())
        if kind == 2:
            return DynamicFeeTransaction(self.chain_id, nonce, tip, price, *call, self._access_list())
        authorizations = tuple(self._authorization() for _ in range(self.random.randint(1, 3)))
        gas, _, amount, data = call
        return SetCodeTransaction(
            self.chain_id,
            nonce,
            tip,
            price,
            gas,
            to or self._address(),
            amount,
            data,
            self._access_list(),
            authorizations,
        )

    def _next_nonce(self) -> int:
        self.nonce += 1
        return self.random.getrandbits(63) if self.random.random() < 0.02 else self.nonce - 1

    def _gas(self) -> int:
        return self.random.getrandbits(63) if self.random.random() < 0.02 else self.random.randint(21_000, 3_000_000)

    def _price(self) -> int:
        return self.random.getrandbits(200) if self.random.random() < 0.02 else self.random.randrange(10**10)

    def _amount(self) -> int:
        return self.random.getrandbits(self.random.choice((0, 8, 64, 256)))

    def _address(self) -> Address:
        # Few accounts, so that data compresses as real data does.
        return bytes(19) + self.random.randbytes(1) if self.random.random() < 0.5 else self.random.randbytes(20)

    def _data(self) -> bytes:
        size = self.random.randrange(2 * self.data_bytes + 1)
        if self.random.random() < 1 / 30:
            size *= _BIG_FACTOR
        return self.random.randbytes(size // 2) + bytes(size - size // 2)

    def _access_list(self) -> tuple[AccessListEntry, ...]:
        if self.random.random() < 0.7:
            return ()
        return tuple(
            AccessListEntry(self._address(), tuple(self.random.randbytes(32) for _ in range(self.random.randrange(3))))
            for _ in range(self.random.randint(1, 2))
        )

    def _authorization(self) -> Authorization:
        chain_id = self.random.choice((0, self.chain_id))
        r, s = self.random.getrandbits(256), self.random.getrandbits(255)
        return Authorization(chain_id, self._address(), self.random.randrange(1000), self.random.randrange(2), r, s)
