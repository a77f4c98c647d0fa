"""What is found of sockets is the same over epoll and over a selector, but for the end of who has sent more than was read."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from trinode.jsonrpc.readiness import ENDED, NOTHING, READABLE, WRITABLE, Readiness, SelectorReadiness, new_readiness


def over_a_selector() -> Readiness:
    return SelectorReadiness(selectors.DefaultSelector())


@pytest.fixture(params=[new_readiness, over_a_selector])
def readiness(request: pytest.FixtureRequest) -> Iterator[Readiness]:
    make: Callable[[], Readiness] = request.param
    with closing(make()) as made:
        yield made


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def found(readiness: Readiness, wanted: int) -> bool:
    events = readiness.poll(0, 16)
    assert len(events) < 2
    return bool(events and events[0][1] & wanted)


def test_what_is_waited_for(readiness: Readiness, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    number = ours.fileno()
    readiness.register(ours, READABLE | ENDED)
    assert not readiness.poll(0, 16)
    theirs.send(b"x")
    assert found(readiness, READABLE)
    assert found(readiness, READABLE), "until it is read"
    readiness.modify(number, ENDED)
    assert not readiness.poll(0, 16)
    readiness.modify(number, WRITABLE)
    assert found(readiness, WRITABLE)
    readiness.modify(number, NOTHING)
    assert not readiness.poll(0, 16)
    readiness.modify(number, READABLE | ENDED)
    assert ours.recv(16) == b"x"
    assert not readiness.poll(0, 16)
    readiness.unregister(number)
    theirs.send(b"x")
    assert not readiness.poll(0, 16)
    readiness.register(ours, READABLE)
    assert found(readiness, READABLE)


@pytest.mark.parametrize("half", [True, False])
def test_ends(readiness: Readiness, pair: tuple[socket.socket, socket.socket], half: bool) -> None:
    ours, theirs = pair
    readiness.register(ours, ENDED)
    assert not readiness.poll(0, 16)
    if half:
        theirs.shutdown(socket.SHUT_WR)
    else:
        theirs.close()
    assert readiness.poll(0, 16)[0][0] == ours.fileno()


@pytest.mark.parametrize("kind", [selectors.PollSelector, selectors.SelectSelector])
def test_what_cannot_be_waited_for_is_refused(kind: type[selectors.BaseSelector]) -> None:
    with closing(kind()) as selector, pytest.raises(RuntimeError, match="neither epoll nor kqueue"):
        SelectorReadiness(selector)
