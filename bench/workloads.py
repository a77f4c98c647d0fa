"""What is executed to be measured: five workloads, each signed once and executed by every side.

1000 transfers, 500 transfers of an ERC-20 token (compiled by solc, from ../shared), and loops that store, calculate and hash.
They follow Ethereum's own rules of Prague, without fees for L1, so that stock py-evm can execute them too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from coincurve import PublicKey

from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import encode_transaction, sign_transaction
from trinode.protocol.transaction_types import DynamicFeeTransaction
from trinode.protocol.types import Address, Hash32

SHARED = Path(__file__).resolve().parents[2] / "shared"

CHAIN_ID = 901
GAS_LIMIT = 200_000_000
"""Of every block. Blocks stay below half of it, so that the base fee stays at 7 wei."""
BASE_FEE = 7

_SENDERS = 200
_HOLDERS = 10_000
_ROUNDS = 60_000
TOKEN: Address = b"\xc0\xde" * 10
_STORING: Address = b"\x10\x09" * 10
_CALCULATING: Address = b"\xa4\x17" * 10
_HASHING: Address = b"\x4e\xcc" * 10
_TRANSFER = bytes.fromhex("a9059cbb")

# All count from 1 to `_ROUNDS` on the stack: PUSH1 0, JUMPDEST, PUSH1 1, ADD; …; PUSH3 rounds, DUP2, LT, PUSH1 2, JUMPI, STOP.
_LOOP = "60005b600101 {} 62{:06x} 8110600257 00"
_CALCULATE = "80600302 600051 01 600052"  # mstore(0, mload(0) + 3 * i)
_STORE = _CALCULATE + "80600055"  # and sstore(0, i)
_HASH = "60406000 20 600052"  # mstore(0, keccak256 of 64 bytes from 0)


class Workload(NamedTuple):
    """Signed transactions, by block. All of them succeed."""

    name: str
    blocks: tuple[tuple[bytes, ...], ...]

    @property
    def transactions(self) -> int:
        """How many there are."""
        return sum(map(len, self.blocks))


class Outcome(NamedTuple):
    """What executing a workload came to: CPU seconds with decoding, sender recovery, roots and keeping the state; gas; the last state root."""

    seconds: float
    gas: int
    state_root: Hash32


class Senders:
    """Accounts with keys, and the next nonce of each: every workload begins with new ones."""

    def __init__(self) -> None:
        self._nonces = [0] * _SENDERS

    def sign(self, sender: int, to: Address | None, *, value: int = 0, data: bytes = b"", gas_limit: int = 21_000) -> bytes:
        """A transaction of the account with that index (modulo their count), raw. It pays no priority fee."""
        index = sender % _SENDERS
        nonce = self._nonces[index]
        self._nonces[index] += 1
        transaction = DynamicFeeTransaction(
            chain_id=CHAIN_ID,
            nonce=nonce,
            max_priority_fee_per_gas=0,
            max_fee_per_gas=10**9,
            gas_limit=gas_limit,
            to=to,
            value=value,
            data=data,
        )
        return encode_transaction(sign_transaction(transaction, _key(index)))


def _key(index: int) -> bytes:
    return keccak256(b"bench %d" % index)


@cache
def sender_address(index: int) -> Address:
    """The address of one of the `Senders`."""
    return keccak256(PublicKey.from_secret(_key(index)).format(compressed=False)[1:])[12:]


def holder_address(index: int) -> Address:
    """The address of an account that only receives."""
    return ((1 << 156) + 1_000_000 + index).to_bytes(20, "big")


def funded() -> StateChanges:
    """A state with the senders, who have plenty, and 10,000 accounts of 1 wei."""
    state = StateChanges()
    for index in range(_SENDERS):
        state.accounts[sender_address(index)] = Account(0, 10**24, EMPTY_CODE_HASH)
    for index in range(_HOLDERS):
        state.accounts[holder_address(index)] = Account(0, 1, EMPTY_CODE_HASH)
    return state


def put_contract(state: StateChanges, address: Address, code: bytes) -> None:
    """Puts a contract into a state."""
    code_hash = keccak256(code)
    state.codes[code_hash] = code
    state.accounts[address] = Account(1, 0, code_hash)


def make_workloads() -> tuple[StateChanges, list[Workload]]:
    """The state that they all begin with, and the five; without ../shared there is no token, which is said."""
    state = funded()
    put_contract(state, _STORING, _loop(_STORE))
    put_contract(state, _CALCULATING, _loop(_CALCULATE))
    put_contract(state, _HASHING, _loop(_HASH))
    workloads = [_transfers()]
    token = SHARED / "spikes" / "erc20.json"
    if token.is_file():
        _put_token(state, bytes.fromhex(json.loads(token.read_text())["runtime"]))
        workloads.append(_token_transfers())
    else:
        print(f"ERC-20 transfers: skipped, {token} is absent")
    for name, address in (("SSTORE loop", _STORING), ("arithmetic loop", _CALCULATING), ("keccak loop", _HASHING)):
        workloads.append(Workload(name, ((Senders().sign(0, address, gas_limit=25_000_000),),)))
    return state, workloads


def _loop(body: str) -> bytes:
    return bytes.fromhex(_LOOP.format(body, _ROUNDS))


def _put_token(state: StateChanges, runtime: bytes) -> None:
    """OpenZeppelin's ERC20 as it is after its constructor: balances in the mapping at slot 0, the supply in slot 2."""
    put_contract(state, TOKEN, runtime)
    state.storage[TOKEN] = token_storage(holders=2_000)


def token_storage(*, holders: int) -> dict[int, int]:
    """What the token has in its storage: balances of the senders and of the first holders."""
    balances = {_balance_slot(sender_address(index)): 10**20 for index in range(_SENDERS)}
    balances |= {_balance_slot(holder_address(index)): 5 for index in range(holders)}
    return {**balances, 2: 10**30}


def token_transfer(senders: Senders, sender: int, to: Address) -> bytes:
    """A transaction that transfers one token."""
    return senders.sign(sender, TOKEN, data=_TRANSFER + _word(to) + (1).to_bytes(32, "big"), gas_limit=120_000)


def _balance_slot(holder: Address) -> int:
    return int.from_bytes(keccak256(_word(holder) + bytes(32)), "big")


def _word(address: Address) -> bytes:
    return address.rjust(32, b"\0")


def _transfers() -> Workload:
    senders = Senders()
    return Workload("1000 transfers", in_blocks([senders.sign(index, holder_address(index), value=1) for index in range(1_000)], 200))


def _token_transfers() -> Workload:
    senders = Senders()
    calls = [token_transfer(senders, index, holder_address(index)) for index in range(500)]
    return Workload("500 ERC-20 transfers", in_blocks(calls, 100))


def in_blocks(transactions: Sequence[bytes], size: int) -> tuple[tuple[bytes, ...], ...]:
    """Transactions in blocks of so many."""
    return tuple(tuple(transactions[start : start + size]) for start in range(0, len(transactions), size))
