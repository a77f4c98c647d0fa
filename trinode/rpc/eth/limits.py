"""What one request may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EthLimits:
    """Bounds of requests; op-geth's options in brackets.

    `gas_cap`: gas of calls and estimates (`rpc.gascap`). `call_seconds`: time of a call (`rpc.evmtimeout`). `log_range`: blocks of one
    eth_getLogs, `logs` and `log_bytes`: what it may find. `fee_blocks`: blocks of one eth_feeHistory, `fee_percentiles`: its percentiles.
    `proof_slots`: slots of one eth_getProof. `min_suggested_tip` and `max_suggested_tip`: wei (`gpo.minsuggestedpriorityfee`,
    `gpo.maxprice`). `read_threads`, `call_threads`: how many requests of either kind are worked on at once. `cache_bytes`: encoded blocks.
    """

    gas_cap: int = 50_000_000
    call_seconds: float = 5.0
    log_range: int = 10_000
    logs: int = 20_000
    log_bytes: int = 64_000_000
    fee_blocks: int = 1024
    fee_percentiles: int = 100
    proof_slots: int = 1024
    min_suggested_tip: int = 1_000_000
    max_suggested_tip: int = 500_000_000_000
    read_threads: int = 4
    call_threads: int = 4
    cache_bytes: int = 32_000_000
