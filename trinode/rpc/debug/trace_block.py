"""The traces of one block's transactions, and a block as it is given to debug_traceBlock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trinode.execution.calls.context import InvalidOverride
from trinode.execution.engine import PreparedTransaction
from trinode.execution.errors import ExecutionError, InvalidBlock, InvalidTransaction, MissingState
from trinode.execution.tracing.tracer import TraceLimitExceeded, Tracer
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.block import KnownBlock
from trinode.protocol.header import Header, HeaderDecodingError, decode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.rlp_codec import RlpDecodingError, split
from trinode.protocol.transaction import transaction_hash
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.trace_json import Place
from trinode.rpc.debug.trace_options import TraceOptions
from trinode.rpc.debug.trace_settings import TraceSettings
from trinode.rpc.debug.trace_tracers import Watch, encoded, watch
from trinode.rpc.eth.errors import invalid_override, of_execution, server_error


def explained(error: ExecutionError) -> RpcError:
    """What went wrong, in op-geth's words where it has some."""
    if isinstance(error, MissingState):
        return server_error(f"required historical state unavailable: {error}")
    if isinstance(error, (InvalidBlock, InvalidTransaction)):
        return server_error(f"tracing failed: {error}")
    if isinstance(error, InvalidOverride):
        return invalid_override(error)
    return server_error(str(error)) if isinstance(error, TraceLimitExceeded) else of_execution(error)


def check_number(header: Header) -> None:
    """Raises RpcError for a genesis block: nothing made it."""
    if not header.number:
        raise server_error("genesis is not traceable")


def place_of(block: KnownBlock, name: Hash32, index: int) -> Place:
    """Where a transaction of the block stands."""
    return Place(block.hash, block.header.number, name, index)


def listed(parts: Sequence[bytes]) -> bytes:
    """A list of JSON values."""
    return b"".join((b"[", b",".join(parts), b"]"))


class BlockTrace:
    """Traces in the making: each is in JSON before the next one begins. `parts` has them; `error` is why they end before the block does."""

    def __init__(self, block: KnownBlock, options: TraceOptions, settings: TraceSettings) -> None:
        self._block = block
        self._options = options
        self._settings = settings
        self._open: Watch | None = None
        self._name: Hash32 = b""
        self._size = 0
        self.parts: list[bytes] = []
        self.error: RpcError | None = None

    def tracer_of(self, index: int, prepared: PreparedTransaction) -> Tracer:
        """The tracer of the next transaction. Raises RpcError, TraceLimitExceeded."""
        self.finish()
        self._name = transaction_hash(prepared.raw)
        self._open = watch(self._options, place_of(self._block, self._name, index), self._settings.limits(self._size))
        return self._open.tracer

    def finish(self) -> None:
        """The last transaction has ended. Raises RpcError, TraceLimitExceeded."""
        if self._open is None:
            return
        part = self._part(b'"result":' + encoded(self._open))
        self._size += len(part)
        self._settings.check_size(self._size)
        self.parts.append(part)
        self._open = None

    def fail(self, error: RpcError) -> None:
        """The last transaction has no trace, and those after it neither."""
        self.error = error
        if self._open is not None:
            self.parts.append(self._part(b'"error":' + msgspec.json.encode(error.message)))

    def _part(self, rest: bytes) -> bytes:
        return b"".join((f'{{"txHash":"{to_hex(self._name)}",'.encode(), rest, b"}"))


def decode_block(rlp: bytes) -> KnownBlock:
    """The block in RLP: header, transactions, and what is of no interest here (ommers, withdrawals). Raises RpcError."""
    try:
        return _decode(rlp)
    except (RlpDecodingError, HeaderDecodingError) as error:
        raise server_error(f"could not decode block: {error}") from error


def _decode(rlp: bytes) -> KnownBlock:
    is_list, start, end = split(rlp, 0)
    if not is_list or end != len(rlp):
        raise RlpDecodingError("one list was expected")
    _, _, header_end = split(rlp, start)
    is_list, at, stop = split(rlp, header_end)
    if not is_list or stop > end:
        raise RlpDecodingError("a list of transactions was expected")
    header = rlp[start:header_end]
    transactions = []
    while at < stop:
        is_legacy, first, after = split(rlp, at)
        if after > stop:
            raise RlpDecodingError("a transaction reaches beyond the end of its list")
        transactions.append(rlp[at:after] if is_legacy else rlp[first:after])
        at = after
    return KnownBlock(decode_header(header), keccak256(header), tuple(transactions))
