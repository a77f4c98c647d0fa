"""Which of many sockets have something: epoll where there is one, else what `selectors` has of the kind (kqueue)."""

from __future__ import annotations

import select
import selectors
import socket
from typing import Protocol

NOTHING = 0
READABLE, WRITABLE, ENDED = 0x001, 0x004, 0x2000
"""What is waited for, and found: epoll's EPOLLIN, EPOLLOUT and EPOLLRDHUP (epoll_ctl(2)). ENDED: the other side sends no more."""


class Readiness(Protocol):
    """As select.epoll has it."""

    def register(self, fd: socket.socket, eventmask: int, /) -> None:
        """Waits for these on a socket from now on."""

    def modify(self, fd: int, eventmask: int, /) -> None:
        """For others."""

    def unregister(self, fd: int, /) -> None:
        """No more. Before the socket is closed."""

    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]:
        """What is found now, by the sockets' numbers."""

    def fileno(self) -> int:
        """Of what is readable when there is something to be found."""

    def close(self) -> None:
        """Waits for nothing any more."""


def new_readiness() -> Readiness:
    """The best that this system has. Raises RuntimeError where that cannot itself be waited for, as select(2) and poll(2) cannot."""
    return select.epoll() if hasattr(select, "epoll") else SelectorReadiness(selectors.DefaultSelector())


class SelectorReadiness:
    """A `Readiness` over a selector that has a file descriptor of its own. Raises RuntimeError for another.

    ENDED alone is found by a look at what is there to be read; a socket whose other side has sent more is not looked at again until it is
    waited for anew, so that its end is seen later than with epoll.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        number = getattr(selector, "fileno", None)
        if number is None:
            raise RuntimeError("this system has neither epoll nor kqueue, and JSON-RPC cannot be served without one")
        self._selector = selector
        self._number: int = number()
        self._sockets: dict[int, tuple[socket.socket, int]] = {}

    def register(self, fd: socket.socket, eventmask: int, /) -> None:
        """As in `Readiness`."""
        self._sockets[fd.fileno()] = fd, eventmask
        self._select(fd.fileno(), eventmask)

    def modify(self, fd: int, eventmask: int, /) -> None:
        """As in `Readiness`."""
        self._sockets[fd] = self._sockets[fd][0], eventmask
        self._select(fd, eventmask)

    def unregister(self, fd: int, /) -> None:
        """As in `Readiness`."""
        self._select(fd, NOTHING)
        del self._sockets[fd]

    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]:
        """As in `Readiness`; the selector has its own bound."""
        found = []
        for key, events in self._selector.select(timeout):
            watched, wanted = self._sockets[key.fd]
            if wanted == ENDED and not _has_ended(watched):
                self._select(key.fd, NOTHING)
            else:
                found.append((key.fd, (READABLE if events & selectors.EVENT_READ else 0) | (WRITABLE if events & selectors.EVENT_WRITE else 0)))
        return found

    def fileno(self) -> int:
        """As in `Readiness`."""
        return self._number

    def close(self) -> None:
        """As in `Readiness`."""
        self._selector.close()

    def _select(self, number: int, wanted: int) -> None:
        events = (selectors.EVENT_READ if wanted & (READABLE | ENDED) else 0) | (selectors.EVENT_WRITE if wanted & WRITABLE else 0)
        is_selected = number in self._selector.get_map()
        if is_selected and events:
            self._selector.modify(number, events)
        elif is_selected:
            self._selector.unregister(number)
        elif events:
            self._selector.register(number, events)


def _has_ended(watched: socket.socket) -> bool:
    try:
        return not watched.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True
