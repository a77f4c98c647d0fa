"""Several endpoints for the same thing: which is asked, which rests, and what is made of it when they disagree or fail.

The first endpoint is preferred; one that failed rests for a while and is then preferred again. One that is busy leaves requests to
the others. Whoever answers must prove the answer, so that it does not matter who it was.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

import trio

from trinode.jsonrpc.endpoint import Endpoint, EndpointError, NotFoundError, Retries, UnavailableError, WrongAnswerError

_FIRST_REST = 1.0
_LONGEST_REST = 60.0
_REST_WHEN_SLOW = 10.0
# Who gave a wrong answer is more than down.
_REST_AFTER_WRONG_ANSWER = 60.0

Notice = Callable[[EndpointError], None]
"""Is told of every failure, also where another endpoint then answered: for logs and metrics."""


class PoolMember(Protocol):
    """What stands for one endpoint in a pool."""

    @property
    def endpoint(self) -> Endpoint: ...


M = TypeVar("M", bound=PoolMember)
T = TypeVar("T")


class AllFailedError(EndpointError):
    """No endpoint gave what was asked; one line with the last failure of each. `not_found`: all of them say that there is no such thing."""

    def __init__(self, failures: Sequence[EndpointError]) -> None:
        first = failures[0]
        super().__init__(first.endpoint, first.method, first.field, "; ".join([first.message, *map(str, failures[1:])]))
        self.failures = tuple(failures)
        self.not_found = all(isinstance(failure, NotFoundError) for failure in failures)
        self.some_not_found = any(isinstance(failure, NotFoundError) for failure in failures)


class _Health:
    """Whether an endpoint rests. Times are trio's."""

    def __init__(self) -> None:
        self.failures = 0
        self.failed_at = float("-inf")
        self.rests_until = float("-inf")
        self.under_way = 0
        self.admitted = False

    @property
    def resting(self) -> bool:
        # After the rest, one request finds out how it is; the others are not held up by it.
        return self.rests_until > trio.current_time() or (self.failures > 0 and self.under_way > 0)

    def answered(self, asked_at: float) -> None:
        if asked_at > self.failed_at:  # else it tells nothing of what came after
            self.failures = 0
            self.rests_until = float("-inf")

    def is_slow(self) -> None:
        self.failures += 1
        self.failed_at = trio.current_time()
        self.rests_until = max(self.rests_until, self.failed_at + _REST_WHEN_SLOW)

    def failed(self, error: EndpointError, asked_at: float) -> None:
        self.failures += 1
        self.failed_at = trio.current_time()
        rest = min(_FIRST_REST * 2.0 ** min(self.failures - 1, 10), _LONGEST_REST)
        if isinstance(error, WrongAnswerError):
            rest = _REST_AFTER_WRONG_ANSWER
        elif isinstance(error, UnavailableError) and error.after is not None:
            rest = max(rest, min(error.after, _LONGEST_REST))
        # Who does not answer costs the time that it is waited for: no more than every other second.
        self.rests_until = self.failed_at + max(rest, min(self.failed_at - asked_at, _LONGEST_REST))


class EndpointPool(Generic[M]):
    """Asks one after the other until one answers, in rounds. `rounds`: how often all are asked, and the delays in between.

    `patience`: seconds after which the next endpoint is asked too. `admit`: what an endpoint must pass before it is asked for the first time
    (EndpointError if it does not).
    """

    def __init__(self, members: Sequence[M], *, rounds: Retries, patience: float = math.inf, notice: Notice | None = None) -> None:
        if not members:
            raise ValueError("a pool needs an endpoint")
        self._members = tuple(members)
        self._health = {id(member): _Health() for member in members}
        self._rounds = rounds
        self._patience = patience
        self._notice = notice
        self.admit: Callable[[M], Awaitable[None]] | None = None

    @property
    def members(self) -> tuple[M, ...]:
        """The endpoints, in the order of preference."""
        return self._members

    def resting(self, member: M) -> bool:
        """Whether an endpoint is only asked when nobody else answers."""
        return self._health[id(member)].resting

    async def ask(self, work: Callable[[M], Awaitable[T]]) -> T:
        """The first answer. Raises AllFailedError, at once if all of the endpoints say that there is no such thing."""
        attempt = 0
        while True:
            attempt += 1
            failures: list[EndpointError] = []
            answers: list[T] = []
            await self._round(work, answers, failures)
            if answers:
                return answers[0]
            failed = AllFailedError(failures)
            if failed.not_found or attempt >= self._rounds.attempts:
                raise failed from failures[0]
            await trio.sleep(self._rounds.delay(attempt))

    async def _round(self, work: Callable[[M], Awaitable[T]], answers: list[T], failures: list[EndpointError]) -> None:
        """Asks one after the other, and does not wait for the one before for longer than its patience: who answers first ends it."""
        async with trio.open_nursery() as nursery:

            async def ask(member: M, done: trio.Event) -> None:
                try:
                    answers.append(await self.ask_one(member, work))
                    nursery.cancel_scope.cancel()
                except EndpointError as error:
                    failures.append(error)
                finally:
                    self._health[id(member)].under_way -= 1
                    done.set()

            for member in self._order():
                done = trio.Event()
                self._health[id(member)].under_way += 1  # now: who asks next must see it
                nursery.start_soon(ask, member, done)
                with trio.move_on_after(self._patience) as patience:
                    await done.wait()
                if patience.cancelled_caught and len(self._members) > 1:
                    self._health[id(member)].is_slow()

    async def ask_one(self, member: M, work: Callable[[M], Awaitable[T]]) -> T:
        """The answer of one endpoint, after its admission; its health is kept. Raises EndpointError."""
        health = self._health[id(member)]
        asked_at = trio.current_time()
        health.under_way += 1
        try:
            if not health.admitted and self.admit is not None:
                await self.admit(member)
            health.admitted = True
            answer = await work(member)
        except NotFoundError:
            raise
        except EndpointError as error:
            health.failed(error, asked_at)
            if self._notice is not None:
                self._notice(error)
            raise
        finally:
            health.under_way -= 1
        health.answered(asked_at)
        return answer

    def _order(self) -> list[M]:
        def key(member: M) -> tuple[bool, float, bool]:
            health = self._health[id(member)]
            # Of those that rest, the one that will be back first.
            return health.resting, health.rests_until if health.resting else 0.0, member.endpoint.pace.busy

        return sorted(self._members, key=key)
