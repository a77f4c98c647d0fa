"""How many connections may come, from where and how fast."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from trinode.p2p.addresses import Reach, neighbourhood, reach_of
from trinode.p2p.host.limits import Arrivals, HostLimits

FAST = {"arrivals_per_second": 1e6, "arrivals_per_second_of_neighbourhood": 1e6}
TOO_FAST = "they come too fast"


def test_connections_that_are_being_upgraded_are_few() -> None:
    arrivals = Arrivals(HostLimits(upgrading=3, upgrading_per_neighbourhood=2, **FAST))  # type: ignore[arg-type]
    with ExitStack() as stack:
        for ip in ("1.1.1.1", "1.1.1.1"):
            assert arrivals.refuses(ip, 0.0) is None
            stack.enter_context(arrivals.upgrading(ip))
        assert arrivals.refuses("1.1.1.1", 0.0) == "too many are being upgraded"
        assert arrivals.refuses("1.1.1.2", 0.0) is None
        stack.enter_context(arrivals.upgrading("1.1.1.2"))
        assert arrivals.refuses("1.1.1.3", 0.0) == "too many are being upgraded"
    assert arrivals.refuses("1.1.1.1", 0.0) is None


def test_one_neighbourhood_has_so_many_connections() -> None:
    arrivals = Arrivals(HostLimits(links_per_neighbourhood=2, **FAST))  # type: ignore[arg-type]
    with arrivals.connected("2607:f8b0::1"), arrivals.connected("2607:f8b0::2"):
        assert arrivals.refuses("2607:f8b0::3", 0.0) == "too many from one neighbourhood"
        assert arrivals.refuses("2607:f8b0:0:1::3", 0.0) is None
    assert arrivals.refuses("2607:f8b0::3", 0.0) is None


def test_our_own_site_may_have_more() -> None:
    arrivals = Arrivals(HostLimits(links_per_neighbourhood=1, **FAST))  # type: ignore[arg-type]
    for ip in ("127.0.0.1", "10.0.0.1", "fd00::1"):
        with arrivals.connected(ip):
            assert arrivals.refuses(ip, 0.0) is None


def test_one_neighbourhood_does_not_use_up_the_rate_of_all() -> None:
    arrivals = Arrivals(HostLimits())
    limits = HostLimits()
    answers = [arrivals.refuses("1.1.1.1", 5.0) for _ in range(1000)]
    assert answers == [None] * limits.arrivals_burst_of_neighbourhood + [TOO_FAST] * (1000 - limits.arrivals_burst_of_neighbourhood)
    assert arrivals.refuses("1.1.1.2", 5.0) is None
    assert arrivals.refuses("1.1.1.1", 6.0) is None


def test_all_together_have_a_rate() -> None:
    arrivals = Arrivals(HostLimits())
    answers = [arrivals.refuses(f"1.1.{n >> 8}.{n & 255}", 5.0) for n in range(20_000)]
    assert answers.count(None) == HostLimits().arrivals_burst
    assert len(arrivals._buckets) <= 4_096


@pytest.mark.parametrize(
    ("ip", "reach"),
    [
        ("127.0.0.1", Reach.HERE),
        ("::1", Reach.HERE),
        ("10.1.2.3", Reach.SITE),
        ("192.168.0.1", Reach.SITE),
        ("100.64.0.1", Reach.SITE),
        ("169.254.0.1", Reach.SITE),
        ("fd00::1", Reach.SITE),
        ("fe80::1", Reach.SITE),
        ("8.8.8.8", Reach.WORLD),
        ("::ffff:8.8.8.8", Reach.WORLD),
        ("2607:f8b0::1", Reach.WORLD),
        ("0.0.0.0", Reach.NOWHERE),
        ("::", Reach.NOWHERE),
        ("224.0.0.1", Reach.NOWHERE),
        ("255.255.255.255", Reach.NOWHERE),
        ("x", Reach.NOWHERE),
    ],
)
def test_from_where_addresses_are_reached(ip: str, reach: Reach) -> None:
    assert reach_of(ip) is reach


def test_neighbourhoods() -> None:
    assert neighbourhood("1.2.3.4") == neighbourhood("::ffff:1.2.3.4") != neighbourhood("1.2.3.5")
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:0:0:1") != neighbourhood("2001:db8:0:1::1")
    assert neighbourhood("::1") == "::/64"
