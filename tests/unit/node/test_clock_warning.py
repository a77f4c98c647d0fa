"""A slow clock is named, and not with each block."""

from __future__ import annotations

from structlog.testing import capture_logs

from trinode.node.clock_warning import AGAIN, ClockWarning
from trinode.p2p.blocks.judgement import Judgement, Reason


def test_a_slow_clock_is_named_once_a_minute() -> None:
    now = [1000.0]
    warning = ClockWarning(lambda: now[0])
    with capture_logs() as logs:
        for reason in Reason:
            warning.judged(Judgement(reason, "block 7 0xab: 9 s in the future"))
        for now[0] in (1001.0, 1000.0 + AGAIN - 1):
            warning.judged(Judgement(Reason.IN_THE_FUTURE, "block 8 0xac: 9 s in the future"))
        assert [log["block"] for log in logs] == ["block 7 0xab: 9 s in the future"]
        now[0] = 1000.0 + AGAIN
        warning.judged(Judgement(Reason.IN_THE_FUTURE, "block 9 0xad: 9 s in the future"))
    assert [(log["block"], log["log_level"]) for log in logs][1:] == [("block 9 0xad: 9 s in the future", "warning")]
    assert "clock is slow" in logs[0]["event"]
