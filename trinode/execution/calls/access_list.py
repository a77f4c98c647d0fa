"""The access list that a message would want (EIP-2930): eth_createAccessList."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trinode.execution.calls.context import CallContext
from trinode.execution.calls.message import Message, call, failure_words
from trinode.execution.errors import ExecutionError
from trinode.execution.evm.calls import create_address
from trinode.execution.evm.program import Programs
from trinode.execution.recovery import recover_authority
from trinode.execution.tracing.access_list import AccessListTracer
from trinode.execution.tracing.machine import new_programs
from trinode.execution.tracing.reasons import REVERTED
from trinode.execution.tracing.tracer import TraceLimits
from trinode.protocol.transaction import AccessListEntry, SignatureError
from trinode.protocol.types import Address

_MAX_ROUNDS = 64
"""A contract that loads the slot of its gas touches another one each time, and would be executed without end."""


class UnstableAccessList(ExecutionError):
    """What the message touches depends on its access list, again and again."""


@dataclass(frozen=True, slots=True)
class CreatedAccessList:
    """An access list, the gas that the message uses with it, and why it fails with it, None if it does not."""

    access_list: tuple[AccessListEntry, ...]
    gas_used: int
    failure: str | None


def create_access_list(
    context: CallContext, message: Message, *, programs: Programs | None = None, limits: TraceLimits | None = None
) -> CreatedAccessList:
    """All that the message touches, the message's own list included; accounts that are warm anyway only with their slots.

    The message is executed with the list until that adds nothing to it: what it touches may depend on the gas that it has. Raises
    UnstableAccessList, InvalidTransaction, TraceLimitExceeded, MissingState.
    """
    programs = new_programs() if programs is None else programs
    excluded = _warm_anyway(context, message)
    access_list = AccessListTracer(message.access_list, excluded).access_list
    for _ in range(_MAX_ROUNDS):
        tracer = AccessListTracer(access_list, excluded, limits)
        result = call(context, replace(message, access_list=access_list), tracer=tracer, programs=programs)
        if tracer.access_list == access_list:
            failure = result.failure
            if failure is not None and failure != REVERTED:
                failure = failure_words(context, replace(message, access_list=access_list), failure, programs=programs)
            return CreatedAccessList(access_list, result.gas_used, failure)
        access_list = tracer.access_list
    raise UnstableAccessList(f"the message has touched something else {_MAX_ROUNDS} times")


def _warm_anyway(context: CallContext, message: Message) -> set[Address]:
    """Sender, receiver, precompiles, and accounts whose authorizations are applied."""
    account = context.state.account(message.sender)
    to = create_address(message.sender, 0 if account is None else account.nonce) if message.to is None else message.to
    rules = context.environment.rules
    warm = {message.sender, to, *(rules.precompiles if rules.warm_precompiles is None else rules.warm_precompiles)}
    for authorization in message.authorizations or ():
        try:
            warm.add(recover_authority(authorization))
        except SignatureError:
            continue  # nobody's: it is passed over
    return warm
