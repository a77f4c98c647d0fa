"""What one trace may take."""

from __future__ import annotations

from dataclasses import dataclass

from trinode.execution.tracing.tracer import TraceLimitExceeded, TraceLimits


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Bounds of the `debug_trace*` methods; op-geth's option in brackets.

    `seconds`: of one request, or one block of a subscription, at the most; the option `timeout` shortens it. `entries`, `size`: opcodes, calls,
    accounts and slots of one transaction's trace, and bytes of an answer. `threads`: traces at the same time. `chain_blocks`: blocks of one
    subscription. `gas_cap`: gas of debug_traceCall (`rpc.gascap`).
    """

    seconds: float = 30.0
    entries: int = 2_000_000
    size: int = 100_000_000
    threads: int = 2
    chain_blocks: int = 10_000
    gas_cap: int = 50_000_000

    def limits(self, used: int = 0) -> TraceLimits:
        """Of one transaction's trace, after `used` bytes of others in the same answer."""
        return TraceLimits(self.entries, self.size - used)

    def check_size(self, size: int) -> None:
        """Raises TraceLimitExceeded for an answer that is too large."""
        if size > self.size:
            raise TraceLimitExceeded(f"the trace has more than {self.size} bytes")
