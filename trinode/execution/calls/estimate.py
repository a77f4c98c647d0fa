"""The gas limit that a message needs: eth_estimateGas.

A message may need more than it uses: refunds come after, and of a frame's gas only 63/64 can be handed on (EIP-150). So the limit is searched,
as clients of the network do it and their users expect: executed with all there may be, with a good guess, and then by bisection.
"""

from __future__ import annotations

from dataclasses import replace

from trinode.execution.calls.context import CallContext
from trinode.execution.calls.message import Message, execute, failure_words
from trinode.execution.engine import TransactionResult
from trinode.execution.errors import ExecutionError, InvalidTransaction
from trinode.execution.evm.program import Programs
from trinode.execution.evm.storage import CALL_STIPEND
from trinode.execution.intrinsic import TRANSACTION
from trinode.execution.state import EMPTY_CODE_HASH
from trinode.execution.tracing.machine import new_programs
from trinode.execution.tracing.reasons import REVERTED

ERROR_RATIO = 0.015
"""How much too high an estimate may be: geth's."""

_OUT_OF_GAS = "out of gas"
_TOO_LITTLE_GAS = "intrinsic_gas"
"""The rule; a limit below the floor of EIP-7623 is told as an error, as geth does, and is never tried: no message uses less than that."""


class MessageFailed(ExecutionError):
    """The message fails with any gas. `output` is what it reverted with."""

    def __init__(self, failure: str, output: bytes) -> None:
        super().__init__(failure)
        self.output = output


class ValueNotCovered(ExecutionError):
    """Once its value is taken, the sender of a message with a price has nothing left for gas."""

    def __init__(self) -> None:
        super().__init__("insufficient funds for transfer")


class AllowanceExceeded(ExecutionError):
    """The message needs more gas than `allowance`."""

    def __init__(self, allowance: int) -> None:
        super().__init__(f"gas required exceeds allowance ({allowance})")
        self.allowance = allowance


def estimate_gas(
    context: CallContext,
    message: Message,
    *,
    gas_cap: int | None = None,
    error_ratio: float = ERROR_RATIO,
    programs: Programs | None = None,
) -> int:
    """A gas limit with which the message succeeds, and no more than `error_ratio` above the lowest one.

    It is at most the message's own limit (below 21,000: the block's), `gas_cap`, what the sender can pay, and the cap of EIP-7825. Raises
    MessageFailed, AllowanceExceeded, ValueNotCovered, InvalidTransaction, MissingState.
    """
    return _Search(context, message, new_programs() if programs is None else programs).estimate(gas_cap, error_ratio)


def allowance(context: CallContext, message: Message, gas_cap: int | None) -> int:
    """The most gas that the message may have: what it asks for, where that is enough for a transfer, or the block's; within the caps, and what
    the sender can pay. Raises ValueNotCovered.
    """
    environment = context.environment
    highest = message.gas_limit if message.gas_limit >= TRANSACTION else environment.gas_limit
    if environment.rules.transaction_gas_cap is not None:
        highest = min(highest, environment.rules.transaction_gas_cap)
    if message.max_fee:
        account = context.state.account(message.sender)
        balance = 0 if account is None else account.balance
        if message.value >= balance:
            raise ValueNotCovered
        highest = min(highest, (balance - message.value) // message.max_fee)
    return highest if gas_cap is None else min(highest, gas_cap)


class _Search:
    def __init__(self, context: CallContext, message: Message, programs: Programs) -> None:
        self._context = context
        self._message = message
        self._programs = programs

    def estimate(self, gas_cap: int | None, error_ratio: float) -> int:
        highest = allowance(self._context, self._message, gas_cap)
        if self._is_transfer():
            found = self._try(TRANSACTION)
            if found is not None and found[0].succeeded:
                return TRANSACTION
        found = self._try(highest)
        if found is None:
            raise AllowanceExceeded(highest)
        result, peak = found
        if not result.succeeded:
            failure = self._why(highest, str(result.failure))
            if failure.startswith(_OUT_OF_GAS):
                raise AllowanceExceeded(highest)
            raise MessageFailed(failure, result.output)
        lowest = result.gas_used - 1
        # What was used, the stipend that an inner call may need at hand, and the 64th that its caller keeps.
        guess = (peak + CALL_STIPEND) * 64 // 63
        if guess < highest:
            lowest, highest = (lowest, guess) if self._suffices(guess) else (guess, highest)
        while lowest + 1 < highest and (highest - lowest) / highest >= error_ratio:
            # Most messages need little more than they use.
            middle = min((lowest + highest) // 2, lowest * 2)
            lowest, highest = (lowest, middle) if self._suffices(middle) else (middle, highest)
        return highest

    def _is_transfer(self) -> bool:
        message = self._message
        if message.data or message.to is None:
            return False
        account = self._context.state.account(message.to)
        return account is None or account.code_hash == EMPTY_CODE_HASH

    def _try(self, gas_limit: int) -> tuple[TransactionResult, int] | None:
        """What becomes of the message with that gas limit, None: it is not enough to begin."""
        try:
            return execute(self._context, replace(self._message, gas_limit=gas_limit), programs=self._programs)
        except InvalidTransaction as error:
            if error.rule == _TOO_LITTLE_GAS:
                return None
            raise

    def _why(self, gas_limit: int, failure: str) -> str:
        """A revert says why itself; how gas ran out in a call does not matter, and would take long to see again. In a creation it may have been
        the price of the code, which is another failure.
        """
        if failure == REVERTED or (failure.startswith(_OUT_OF_GAS) and self._message.to is not None):
            return failure
        return failure_words(self._context, replace(self._message, gas_limit=gas_limit), failure, programs=self._programs)

    def _suffices(self, gas_limit: int) -> bool:
        found = self._try(gas_limit)
        return found is not None and found[0].succeeded
