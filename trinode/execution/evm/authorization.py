"""Authorizations of a set code transaction (EIP-7702, "Behavior")."""

from __future__ import annotations

from trinode.execution.evm.journal import Journal
from trinode.execution.recovery import recover_authority
from trinode.execution.state import EMPTY_ACCOUNT
from trinode.execution.validity import DELEGATION_PREFIX, delegate_of
from trinode.protocol.transaction import Authorization, SignatureError

EXISTING_ACCOUNT_REFUND = 25_000 - 12_500
_NO_ADDRESS = bytes(20)


def apply_authorizations(journal: Journal, authorizations: tuple[Authorization, ...], chain_id: int) -> None:
    """Sets the delegations. One that does not hold is passed over; what those before it did stays."""
    for authorization in authorizations:
        _apply(journal, authorization, chain_id)


def _apply(journal: Journal, authorization: Authorization, chain_id: int) -> None:
    if authorization.chain_id not in (0, chain_id) or authorization.nonce == 2**64 - 1:
        return
    try:
        authority = recover_authority(authorization)
    except SignatureError:
        return
    if authority not in journal.warm_addresses:
        journal.warm_address(authority)
    account = journal.account(authority)
    code = journal.code(account.code_hash)
    if (code and delegate_of(code) is None) or account.nonce != authorization.nonce:
        return
    if account != EMPTY_ACCOUNT:
        journal.refund += EXISTING_ACCOUNT_REFUND
    delegation = b"" if authorization.address == _NO_ADDRESS else DELEGATION_PREFIX + authorization.address
    journal.set_code(authority, delegation)
    journal.increment_nonce(authority)
