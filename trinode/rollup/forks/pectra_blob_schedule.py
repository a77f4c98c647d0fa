"""The Pectra blob schedule, for chains on Sepolia and Holesky (specification: pectra-blob-schedule).

Their nodes once kept Cancun's blob base fee after L1 had gone to Prague. On such a chain the L1 attributes do so until
the L1 origin reaches `pectra_blob_schedule_time`. It is no step of the other forks, and has a time but no rules.
"""

from __future__ import annotations

from typing import Final

CANCUN_UPDATE_FRACTION: Final = 3338477


def keeps_cancun_blob_base_fee(pectra_blob_schedule_time: int | None, *, l1_origin_timestamp: int) -> bool:
    return pectra_blob_schedule_time is not None and l1_origin_timestamp < pectra_blob_schedule_time
