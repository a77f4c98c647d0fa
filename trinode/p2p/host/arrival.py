"""Connections that others open: turned away before anything is spent on them where the gate or a limit says so, else upgraded and handed on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import structlog
import trio

from trinode.p2p.errors import P2PError
from trinode.p2p.host.dialing import Upgrade
from trinode.p2p.host.gate import Gate
from trinode.p2p.host.limits import Arrivals
from trinode.p2p.host.network import Arrived, Listening
from trinode.p2p.transport.connection import Connection

_AFTER_FAILURE = 0.1
"""Seconds before the next is accepted when the system has no file descriptor left."""

Attend = Callable[[Connection, str, int], Awaitable[None]]
"""Keeps a connection to its end: the connection, its IP address and port."""

_log = structlog.get_logger()


class Entrance:
    """The open ports. `turned_away`: how many connections, by reason; `failed`: how many broke off before their peer was known."""

    def __init__(self, gate: Gate, arrivals: Arrivals, upgrade: Upgrade, attend: Attend) -> None:
        self._gate = gate
        self._arrivals = arrivals
        self._upgrade = upgrade
        self._attend = attend
        self.turned_away: Counter[str] = Counter()
        self.accepted = self.failed = 0
        self._is_short = False  # of file descriptors, and it was said

    async def run(self, port: Listening) -> None:
        """Takes what comes at one port, until it is cancelled; closes it then."""
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    await self._take(port, nursery)
        finally:
            with trio.CancelScope(shield=True):
                await port.aclose()

    async def _take(self, port: Listening, nursery: trio.Nursery) -> None:
        try:
            arrived = await port.accept()
        except OSError as error:
            if not self._is_short:
                _log.warning(f"no connection can be accepted: {error}")
            self._is_short = True
            await trio.sleep(_AFTER_FAILURE)
            return
        self._is_short = False
        refusal = self._gate.refuses_address(arrived.ip) or self._arrivals.refuses(arrived.ip, trio.current_time())
        if refusal is None:
            nursery.start_soon(self._receive, arrived)
        else:
            self.turned_away[refusal] += 1
            await trio.aclose_forcefully(arrived.stream)

    async def _receive(self, arrived: Arrived) -> None:
        with self._arrivals.upgrading(arrived.ip):
            try:
                connection = await self._upgrade(arrived.stream, False, None)
            except (P2PError, OSError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self.failed += 1
                _log.debug("a connection came to nothing", address=arrived.ip, why=str(error) or type(error).__name__)
                return
            except Exception:  # noqa: BLE001 - a stranger may not end the node by finding a bug
                self.failed += 1
                _log.exception("a connection came to nothing: this is a bug of trinode", address=arrived.ip)
                await trio.aclose_forcefully(arrived.stream)
                return
        self.accepted += 1
        await self._attend(connection, arrived.ip, arrived.port)
