"""Which of our rules each exception of the tests means (names: execution-spec-tests, `TransactionException`; ours:
`InvalidTransaction.rule`).
"""

from __future__ import annotations

from harness.state_tests.fixture import FixtureError

DECODING = "decoding"
"""What the runner calls a transaction that does not decode."""
SIGNATURE = "signature"
"""What the runner calls a transaction whose signature nobody can have made."""
BLOCK_GAS_LIMIT = "block_gas_limit"
BLOB_TRANSACTION = "blob_transaction"

# A blob transaction is refused before anything else is looked at, and cannot be a creation in its encoding.
_BLOB = frozenset({BLOB_TRANSACTION})
_RULES: dict[str, frozenset[str]] = {
    "GASLIMIT_PRICE_PRODUCT_OVERFLOW": frozenset({"balance"}),
    "GAS_ALLOWANCE_EXCEEDED": frozenset({BLOCK_GAS_LIMIT}),
    "GAS_LIMIT_EXCEEDS_MAXIMUM": frozenset({"gas_cap"}),
    "INITCODE_SIZE_EXCEEDED": frozenset({"initcode_size"}),
    "INSUFFICIENT_ACCOUNT_FUNDS": frozenset({"balance"}),
    "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS": _BLOB,
    "INSUFFICIENT_MAX_FEE_PER_GAS": frozenset({"base_fee"}),
    "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST": frozenset({"floor_gas"}),
    "INTRINSIC_GAS_TOO_LOW": frozenset({"intrinsic_gas"}),
    "NONCE_IS_MAX": frozenset({"nonce_max"}),
    "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS": frozenset({"priority_fee"}),
    "SENDER_NOT_EOA": frozenset({"sender_has_code"}),
    "TYPE_3_TX_BLOB_COUNT_EXCEEDED": _BLOB,
    "TYPE_3_TX_CONTRACT_CREATION": frozenset({DECODING}),
    "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH": _BLOB,
    "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED": _BLOB,
    "TYPE_3_TX_PRE_FORK": _BLOB,
    "TYPE_3_TX_ZERO_BLOBS": _BLOB,
    "TYPE_4_EMPTY_AUTHORIZATION_LIST": frozenset({"empty_authorization_list"}),
    "TYPE_4_TX_CONTRACT_CREATION": frozenset({DECODING}),
    "TYPE_4_TX_PRE_FORK": frozenset({"type_not_active"}),
}


def rules_meant(expected: str) -> frozenset[str]:
    """The rules that may refuse the transaction, where a test expects `expected`: names of exceptions with | between them.

    Raises FixtureError for one that is not in the table.
    """
    rules: frozenset[str] = frozenset()
    for alternative in expected.split("|"):
        name = alternative.strip().removeprefix("TransactionException.")
        if name not in _RULES:
            raise FixtureError(f"no rule of ours is known to be {alternative}")
        rules |= _RULES[name]
    return rules
