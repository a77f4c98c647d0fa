"""How many requests each address may send, over HTTP and WebSocket together (a token bucket for each)."""

from __future__ import annotations

from collections import OrderedDict

from trinode.jsonrpc.server import Refused

_ADDRESSES = 65_536
"""Remembered. Who was not heard of for longest is forgotten, and begins again with a whole burst."""


class Rates:
    """`rate` requests in a second from one address, and `burst` more at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, count: int, now: float) -> None:
        """`now`: seconds of any clock. A batch that is larger than the burst needs a whole burst, and puts the address into debt.

        Raises Refused (429).
        """
        left, since = self._left.pop(address, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self._rate)
        is_allowed = left >= min(count, self._burst)
        self._left[address] = (left - count if is_allowed else left), now
        if len(self._left) > _ADDRESSES:
            self._left.popitem(last=False)
        if not is_allowed:
            raise Refused(429, f"more than {self._rate:g} requests in a second from one address")
