"""The simulated internet: machines by IP address, and links between them that delay, lose and are cut (`trinode.p2p.host.network.Network`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random

import trio
from trio.abc import Stream

from harness.network.pipe import Pipe, SimStream
from trinode.p2p.host.network import Arrived

_RESEND_SECONDS = 0.2
"""After which what was lost is sent again; doubles each time."""
_MOST_RESENDS = 8
_DIAL_SECONDS = 10.0
"""Until a dial to somebody who cannot be reached is given up."""
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Link:
    """A way from one machine to another. `delay`, `jitter`: seconds, one way, at least and what is added by chance; `loss`: share of segments that
    have to be sent again.
    """

    delay: float = 0.04
    jitter: float = 0.02
    loss: float = 0.0


class Internet:
    """All machines. `link` says how good the way between two addresses is."""

    def __init__(self, random: Random, link: Callable[[str, str], Link] = lambda _here, _there: Link()) -> None:
        self.random = random
        self.link = link
        self.carried = 0
        """Bytes that have arrived."""
        self._ports: dict[tuple[str, int], _Port] = {}
        self._groups: dict[str, int] = {}
        self._change = trio.Event()
        self._streams: dict[SimStream, tuple[str, str]] = {}

    def machine(self, ip: str) -> Machine:
        """The machine at an address."""
        return Machine(self, ip)

    def partition(self, *groups: Collection[str]) -> None:
        """Only within each of these groups anything gets through; all others are a group too. Without groups the network is whole again."""
        self._groups = {ip: number for number, group in enumerate(groups, 1) for ip in group}
        self._tell()

    def unplug(self, ip: str) -> None:
        """All connections of a machine break."""
        for stream, ends in list(self._streams.items()):
            if ip in ends:
                stream.break_off()

    def is_cut(self, here: str, there: str) -> bool:
        """Whether nothing gets from one to the other."""
        return self._groups.get(here, 0) != self._groups.get(there, 0)

    @property
    def in_flight(self) -> int:
        """Bytes that are sent and not read."""
        return sum(stream._outgoing.size for stream in self._streams)

    @property
    def connections(self) -> int:
        """Ends of connections that are open."""
        return len(self._streams)

    async def changed(self) -> None:
        """Returns when a partition begins or ends."""
        await self._change.wait()

    def _tell(self) -> None:
        self._change.set()
        self._change = trio.Event()

    def _count(self, size: int) -> None:
        self.carried += size

    def _connect(self, here: str, there: str) -> tuple[SimStream, SimStream]:
        forth, back = Pipe(_Way(self, here, there), self._count), Pipe(_Way(self, there, here), self._count)
        ours = SimStream(forth, back, lambda: self._streams.pop(ours, None))
        theirs = SimStream(back, forth, lambda: self._streams.pop(theirs, None))
        self._streams[ours] = self._streams[theirs] = here, there
        return ours, theirs


class _Way:
    """From one machine to another (`harness.network.pipe.Path`)."""

    def __init__(self, internet: Internet, here: str, there: str) -> None:
        self._internet, self._here, self._there = internet, here, there

    def delay(self) -> float | None:
        link, random = self._internet.link(self._here, self._there), self._internet.random
        delay = link.delay + link.jitter * random.random()
        for resend in range(_MOST_RESENDS):
            if not link.loss or random.random() >= link.loss:
                return delay
            delay += _RESEND_SECONDS * 2**resend
        return None

    @property
    def is_cut(self) -> bool:
        return self._internet.is_cut(self._here, self._there)

    async def mended(self) -> None:
        await self._internet.changed()


class _Port:
    """An open port (`trinode.p2p.host.network.Listening`)."""

    def __init__(self, internet: Internet, ip: str, port: int) -> None:
        self.ip, self.port = ip, port
        self._internet = internet
        self._send, self._receive = trio.open_memory_channel[Arrived](_BACKLOG)

    def arrive(self, arrived: Arrived) -> None:
        """Raises OSError: too many wait."""
        try:
            self._send.send_nowait(arrived)
        except trio.WouldBlock as error:
            raise ConnectionRefusedError(111, "Connection refused") from error

    async def accept(self) -> Arrived:
        return await self._receive.receive()

    async def aclose(self) -> None:
        del self._internet._ports[self.ip, self.port]
        await self._receive.aclose()


class Machine:
    """One machine's network."""

    def __init__(self, internet: Internet, ip: str) -> None:
        self._internet = internet
        self.ip = ip
        self._next_port = 40_000

    async def listen(self, ip: str, port: int) -> _Port:
        """As Network has it."""
        await trio.lowlevel.checkpoint()
        where = self.ip, port or self._free_port()
        if where in self._internet._ports:
            raise OSError(98, "Address already in use")
        self._internet._ports[where] = listening = _Port(self._internet, *where)
        return listening

    async def connect(self, ip: str, port: int) -> Stream:
        """As Network has it."""
        link = self._internet.link(self.ip, ip)
        await trio.sleep(2 * link.delay)
        if self._internet.is_cut(self.ip, ip):
            await trio.sleep(_DIAL_SECONDS)
            raise TimeoutError(110, "Connection timed out")
        listening = self._internet._ports.get((ip, port))
        if listening is None:
            raise ConnectionRefusedError(111, "Connection refused")
        ours, theirs = self._internet._connect(self.ip, ip)
        listening.arrive(Arrived(theirs, self.ip, self._free_port()))
        return ours

    async def resolve(self, kind: str, name: str) -> Sequence[str]:
        """As Network has it: there are no names."""
        await trio.lowlevel.checkpoint()
        raise OSError(-2, f"{kind} {name}: Name or service not known")

    def own_addresses(self, ip: str) -> Sequence[str]:
        """As Network has it."""
        return [self.ip]

    def _free_port(self) -> int:
        self._next_port += 1
        return self._next_port
