"""What goes wrong, in op-geth's codes and words: clients know them."""

from __future__ import annotations

from eth_utils.address import to_checksum_address

from trinode.execution.calls.context import InvalidOverride
from trinode.execution.errors import ExecutionError, MissingState
from trinode.execution.tracing.call_failures import revert_reason
from trinode.jsonrpc.requests import INTERNAL_ERROR, SERVER_ERROR, RpcError
from trinode.rollup.json_fields import to_hex

LIMIT_EXCEEDED = -32005
PRUNED_HISTORY = 4444
REVERTED = 3


def server_error(message: str) -> RpcError:
    """An error that has no code of its own."""
    return RpcError(SERVER_ERROR, message)


def reverted(output: bytes) -> RpcError:
    """A call that reverted: what it said, decoded where it is text."""
    reason = revert_reason(output)
    message = "execution reverted" if reason is None else f"execution reverted: {reason}"
    return RpcError(REVERTED, message, data=to_hex(output))


def invalid_override(error: InvalidOverride) -> RpcError:
    """Overrides that are refused; the address has its checksum, as op-geth writes it."""
    return server_error(str(error).replace(to_hex(error.address), to_checksum_address(error.address)))


def pruned(what: str) -> RpcError:
    """History that this node does not have; `what` says which."""
    return RpcError(PRUNED_HISTORY, f"pruned history unavailable: {what}")


def without_receipts(number: int) -> RpcError:
    """A block whose receipts are asked for, and which has none here."""
    return pruned(f"block {number} came with a snapshot, which has no receipts")


def of_execution(error: ExecutionError) -> RpcError:
    """A state that is not there, or a fork whose rules are not known."""
    if isinstance(error, MissingState):
        return server_error(f"missing trie node: {error}")
    return RpcError(INTERNAL_ERROR, str(error))
