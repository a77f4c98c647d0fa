"""What one request may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from trinode.rpc.eth.log_filter import MAX_CHOICES
from trinode.rpc.eth.sending.send_sync import DEFAULT_SECONDS, MOST_SECONDS


@dataclass(frozen=True, slots=True)
class EthLimits:
    """Bounds of requests; op-geth's options in brackets.

    `gas_cap`: gas of calls and estimates (`rpc.gascap`). `call_seconds`: time of a call (`rpc.evmtimeout`).
    `log_range`: blocks of one eth_getLogs (`rpc.rangelimit`; 0: any number), `log_choices`: its addresses, and its topics at one place
    (`rpc.logquerylimit`), `logs` and `log_bytes`: what it may find.
    `send_sync_seconds`, `send_sync_most`: how long eth_sendRawTransactionSync waits where its caller does not say, and at most
    (`rpc.txsync.defaulttimeout`, `rpc.txsync.maxtimeout`).
    `fee_blocks`: blocks of one eth_feeHistory, `fee_percentiles`: its percentiles. `proof_slots`: slots of one eth_getProof.
    `min_suggested_tip` and `max_suggested_tip`: wei (`gpo.minsuggestedpriorityfee`, `gpo.maxprice`).
    `read_threads`, `call_threads`: how many requests of either kind are worked on at once. `cache_bytes`: encoded blocks.
    """

    gas_cap: int = 50_000_000
    call_seconds: float = 5.0
    log_range: int = 10_000
    log_choices: int = MAX_CHOICES
    logs: int = 20_000
    log_bytes: int = 64_000_000
    send_sync_seconds: float = DEFAULT_SECONDS
    send_sync_most: float = MOST_SECONDS
    fee_blocks: int = 1024
    fee_percentiles: int = 100
    proof_slots: int = 1024
    min_suggested_tip: int = 1_000_000
    max_suggested_tip: int = 500_000_000_000
    read_threads: int = 4
    call_threads: int = 4
    cache_bytes: int = 32_000_000
