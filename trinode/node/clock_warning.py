"""This machine's clock, as signed blocks show it: nobody but the sequencer can make them, and it makes none before their time."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from trinode.p2p.blocks.judgement import Judgement, Reason

AGAIN = 60.0
"""Seconds between two warnings."""

_log = structlog.get_logger()


class ClockWarning:
    """Says so when the clock seems slow: blocks are rejected then that all others take, and held against who passed them on.

    `clock`: seconds, which only go on.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._not_before = float("-inf")

    def judged(self, judgement: Judgement) -> None:
        """What was said of a block message."""
        if judgement.reason is Reason.IN_THE_FUTURE and self._clock() >= self._not_before:
            self._not_before = self._clock() + AGAIN
            _log.warning(
                "the sequencer has signed a block that is in the future by this machine's clock, so that it is rejected. "
                "If this goes on, the clock is slow: set it (NTP), or all peers will be banned",
                block=judgement.detail,
            )
