"""What the pool refuses, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from coincurve import PrivateKey

from tests.unit.engine.pool.pool_chain import (
    ADDRESSES,
    CONTRACT,
    GAS_LIMIT,
    KEYS,
    PoolChain,
    legacy,
    parts,
    pay,
    set_code,
    set_fee,
    with_access_list,
)
from tests.unit.execution.small_chain import CHAIN_ID, TARGET
from trinode.engine.pool import PoolError, PoolLimits
from trinode.engine.pool.limits import MOST_TRANSACTION_BYTES
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import encode_bytes, encode_int, encode_list
from trinode.protocol.transaction import (
    Authorization,
    BlobTransaction,
    DynamicFeeTransaction,
    decode_transaction,
    encode_transaction,
    sign_transaction,
    transaction_hash,
)
from trinode.rollup.fork import Fork

NewChain = Callable[..., PoolChain]


def refusal(chain: PoolChain, raw: bytes) -> str:
    """Why the pool does not take a transaction."""
    before = chain.pool.content(), chain.pool.version
    with pytest.raises(PoolError) as caught:
        chain.pool.add(raw)
    assert caught.value.code == -32000
    assert str(caught.value) == caught.value.message
    assert (chain.pool.content(), chain.pool.version) == before
    return caught.value.message


def authorization(key: int, nonce: int = 0, *, y_parity: int | None = None) -> Authorization:
    """The leave of KEYS[key] to run CONTRACT's code."""
    message = encode_list((encode_int(CHAIN_ID), encode_bytes(CONTRACT), encode_int(nonce)))
    signature = PrivateKey(KEYS[key]).sign_recoverable(keccak256(b"\x05" + message), hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return Authorization(CHAIN_ID, CONTRACT, nonce, signature[64] if y_parity is None else y_parity, r, s)


def test_all_types_that_users_send_are_taken_and_get_into_a_block(chain: PoolChain) -> None:
    raws = [legacy(0), with_access_list(1), pay(2), set_code(3, 0, (authorization(5),)), pay(4, to=None, data=b"\x00", gas=60_000)]
    assert chain.add(*raws) == [transaction_hash(raw) for raw in raws]
    assert chain.pool.status() == (5, 0)
    assert all(chain.pool.get(transaction_hash(raw)) == raw for raw in raws)
    assert chain.extend() == tuple(raws)
    assert chain.pool.status() == (0, 0)
    assert chain.pool.get(transaction_hash(raws[0])) is None


def test_a_transaction_is_taken_once(chain: PoolChain) -> None:
    chain.add(pay(0))
    assert refusal(chain, pay(0)) == "already known"


def test_deposits_and_blobs_are_not_for_users(chain: PoolChain) -> None:
    blob = BlobTransaction(CHAIN_ID, 0, 1, 2_000, 25_000, TARGET, 0, b"", (), 1, (b"\x01" * 32,))
    assert refusal(chain, encode_transaction(sign_transaction(blob, KEYS[0]))).startswith("transaction type not supported")
    assert refusal(chain, b"\x03 with its blobs") == "transaction type not supported: tx type 3 not supported by this pool"
    assert refusal(chain, set_fee(1, 0)) == "transaction type not supported: received type 126"
    assert refusal(chain, b"\x05junk").startswith("transaction type not supported")


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x02junk", b"\xc0", pay(0)[:-1], pay(0) + b"\x00"])
def test_what_is_no_transaction(chain: PoolChain, raw: bytes) -> None:
    assert refusal(chain, raw)


def test_size_is_limited(chain: PoolChain) -> None:
    room = MOST_TRANSACTION_BYTES - len(pay(0, data=b"\x00" * 100_000, gas=10**6)) + 100_000
    largest = pay(0, data=b"\x00" * room, gas=10**7)
    assert len(largest) == MOST_TRANSACTION_BYTES
    chain.add(largest)
    larger = pay(1, data=b"\x00" * (room + 1), gas=10**7)
    assert refusal(chain, larger) == "oversized data: transaction size 131073, limit 131072"


def test_chain_and_signature(chain: PoolChain) -> None:
    assert refusal(chain, pay(0, chain_id=1)) == "invalid sender: invalid chain id for signer: have 1 want 901"
    assert refusal(chain, legacy(0, chain_id=1)) == "invalid sender: invalid chain id for signer: have 1 want 901"
    assert refusal(chain, legacy(0, chain_id=None)) == "only replay-protected (EIP-155) transactions allowed over RPC"
    transaction = decode_transaction(pay(0))
    assert isinstance(transaction, DynamicFeeTransaction)
    for broken in (replace(transaction, y_parity=2), replace(transaction, s=2**255), replace(transaction, r=0)):
        assert refusal(chain, encode_transaction(broken)).startswith("invalid sender: ")


def test_unprotected_transactions_can_be_allowed(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(unprotected=True))
    chain.add(legacy(0, chain_id=None))
    assert len(chain.extend()) == 1


def test_gas(chain: PoolChain) -> None:
    assert refusal(chain, pay(0, gas=20_000)) == "intrinsic gas too low: gas 20000, minimum needed 21000"
    data = b"\x01" * 1_000
    assert refusal(chain, pay(0, data=data, gas=40_000)) == "insufficient gas for floor data gas cost: gas 40000, minimum needed 61000"
    chain.add(pay(0, data=data, gas=61_000))
    assert refusal(chain, pay(1, gas=2**24 + 1)) == "transaction gas limit too high (cap: 16777216, tx: 16777217)"
    chain.add(pay(1, gas=2**24))
    assert len(chain.extend()) == 2


def test_gas_before_there_were_a_floor_and_a_cap(new_chain: NewChain) -> None:
    chain = new_chain(fork=Fork.HOLOCENE)
    chain.add(pay(0, data=b"\x01" * 1_000, gas=40_000))
    assert refusal(chain, pay(1, gas=GAS_LIMIT + 1)) == "exceeds block gas limit"
    chain.add(pay(1, gas=GAS_LIMIT - 10**6))
    raw = set_code(2, 0, (authorization(5),))
    assert refusal(chain, raw) == "transaction type not supported: type 4 rejected, pool not yet in Prague"


def test_prices(chain: PoolChain) -> None:
    assert refusal(chain, pay(0, tip=11, fee=10)) == "max priority fee per gas higher than max fee per gas"
    assert refusal(chain, pay(0, tip=0)) == "transaction underpriced: gas tip cap 0, minimum needed 1"
    assert refusal(chain, legacy(0, price=0)) == "transaction underpriced: gas tip cap 0, minimum needed 1"


def test_the_price_limit_is_a_setting(new_chain: NewChain) -> None:
    chain = new_chain(PoolLimits(price_limit=0))
    chain.add(pay(0, tip=0))
    assert len(chain.extend()) == 1


def test_creations(chain: PoolChain) -> None:
    size = 49_153
    assert refusal(chain, pay(0, to=None, data=bytes(size), gas=10**6)) == "max initcode size exceeded: code size 49153, limit 49152"


def test_authorizations_are_needed(chain: PoolChain) -> None:
    assert refusal(chain, set_code(0, 0, ())) == "set code tx must have at least one authorization tuple"


def test_nonces(chain: PoolChain) -> None:
    chain.add(*(pay(nonce) for nonce in range(5)))
    chain.extend()
    assert refusal(chain, pay(4, value=2)) == "nonce too low: next nonce 5, tx nonce 4"
    assert refusal(chain, pay(2**64 - 1)) == "nonce has max value"
    chain.add(pay(5), pay(2**64 - 2))
    assert parts(chain.pool) == ([5], [2**64 - 2])


def most_cost(chain: PoolChain, raw: bytes) -> int:
    """What a transaction costs at most, by the balances around a block that has it."""
    transaction = decode_transaction(raw)
    assert isinstance(transaction, DynamicFeeTransaction)
    block = chain.build(offered=[raw])
    result = block.results[-1]
    operator = transaction.gas_limit * 4_000_000 * 100 + 9
    assert result.l1_fee > 0
    return transaction.gas_limit * transaction.max_fee_per_gas + transaction.value + result.l1_fee + operator


def test_funds_for_gas_value_l1_and_operator_fee(new_chain: NewChain) -> None:
    raw = pay(0, value=10**15)
    cost = most_cost(new_chain(), raw)
    poor = new_chain(balances={0: cost - 1})
    assert refusal(poor, raw) == f"insufficient funds for gas * price + value: balance {cost - 1}, tx cost {cost}, overshot 1"
    enough = new_chain(balances={0: cost})
    enough.add(raw)
    assert enough.extend() == (raw,)


def test_funds_for_all_that_is_pending(new_chain: NewChain) -> None:
    first, second, dearer = pay(0, value=10**15), pay(1, value=10**15), pay(0, value=10**16, fee=200_000, tip=20)
    cost = most_cost(new_chain(), first)
    chain = new_chain(balances={0: cost * 3 // 2})
    chain.add(first)
    words = "insufficient funds for gas * price + value: "
    assert refusal(chain, second).startswith(f"{words}balance {cost * 3 // 2}, queued cost {cost}, tx cost {cost}, overshot {cost - cost // 2}")
    chain = new_chain(balances={0: 10 * cost})
    chain.add(first, second)
    assert refusal(chain, dearer).startswith(f"{words}balance {10 * cost}, queued cost {2 * cost}, tx bumped ")


def test_contracts_send_nothing(new_chain: NewChain) -> None:
    chain = new_chain(codes={0: b"\x00"})
    code_hash = keccak256(b"\x00").hex()
    assert refusal(chain, pay(0)) == f"sender not an eoa: address 0x{ADDRESSES[0].hex()}, codehash: 0x{code_hash}"


# ---- delegations ----


def test_a_delegated_account_has_one_transaction_at_a_time(new_chain: NewChain) -> None:
    chain = new_chain(codes={0: b"\xef\x01\x00" + CONTRACT})
    assert refusal(chain, pay(1)) == "gapped-nonce tx from delegated accounts"
    chain.add(pay(0))
    assert refusal(chain, pay(1)) == "in-flight transaction limit reached for delegated accounts"
    chain.add(pay(0, tip=20, fee=200_000))
    assert chain.extend() == (pay(0, tip=20, fee=200_000),)
    chain.add(pay(1))


def test_so_has_one_that_is_about_to_be_delegated(chain: PoolChain) -> None:
    chain.add(set_code(0, 1, (authorization(0),)))
    assert refusal(chain, pay(1)) == "gapped-nonce tx from delegated accounts"
    chain.add(pay(0))
    assert refusal(chain, pay(1)) == "in-flight transaction limit reached for delegated accounts"
    chain.add(set_code(0, 1, (authorization(2),), gas=300_000, tip=20, fee=200_000))
    chain.add(pay(1))
    assert parts(chain.pool) == ([0, 1], [])


def test_whoever_has_more_in_the_pool_cannot_be_delegated_meanwhile(chain: PoolChain) -> None:
    chain.add(pay(0), set_code(0, 1, (authorization(0, 1),)))
    chain.add(pay(0, 2), pay(2, 2))
    assert refusal(chain, set_code(1, 1, (authorization(2),))) == "authority already reserved"
    chain.add(set_code(1, 1, (authorization(2, y_parity=9),)))


def test_a_delegation_that_a_block_has_made_counts(chain: PoolChain) -> None:
    chain.add(set_code(0, 1, (authorization(0),)))
    assert len(chain.extend()) == 1
    chain.add(pay(1))
    assert refusal(chain, pay(2)) == "in-flight transaction limit reached for delegated accounts"


# ---- data ----


def test_a_transaction_whose_data_no_block_can_have(chain: PoolChain) -> None:
    data = Random(1).randbytes(100_000)  # 400 gas for a byte: 30 million gas are 75,000 bytes
    chain.extend()
    assert refusal(chain, pay(0, data=data, gas=10**7)).startswith("exceeds block DA footprint limit: footprint ")
    chain.add(pay(0, data=data[:60_000], gas=10**7))
    assert len(chain.extend()) == 1
