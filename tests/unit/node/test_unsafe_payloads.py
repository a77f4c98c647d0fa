"""The queue of unsafe payloads: what is kept, what is next, what is missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trinode.node.unsafe_payloads import PayloadLimits, UnsafePayloads
from trinode.protocol.payload import ExecutionPayload, PayloadEnvelope
from trinode.protocol.types import BlockId
from trinode.rollup.l2_block import L2BlockRef


def hash_of(number: int, branch: int = 0) -> bytes:
    return number.to_bytes(16, "big") + branch.to_bytes(16, "big")


def envelope(number: int, branch: int = 0, parent: int = 0, transactions: tuple[bytes, ...] = ()) -> PayloadEnvelope:
    payload = ExecutionPayload(
        parent_hash=hash_of(number - 1, parent),
        fee_recipient=bytes(20),
        state_root=bytes(32),
        receipts_root=bytes(32),
        logs_bloom=bytes(256),
        prev_randao=bytes(32),
        block_number=number,
        gas_limit=30_000_000,
        gas_used=0,
        timestamp=2 * number,
        extra_data=b"",
        base_fee_per_gas=7,
        block_hash=hash_of(number, branch),
        transactions=transactions,
    )
    return PayloadEnvelope(payload, None)


def head(number: int, branch: int = 0) -> L2BlockRef:
    return L2BlockRef(hash_of(number, branch), number, hash_of(number - 1), 2 * number, BlockId(0, bytes(32)), 0)


def kept(*envelopes: PayloadEnvelope, limits: PayloadLimits | None = None) -> UnsafePayloads:
    payloads = UnsafePayloads(limits)
    for each in envelopes:
        assert payloads.add(each) is None
    return payloads


def test_nothing_is_kept_at_first() -> None:
    payloads = UnsafePayloads()
    assert (len(payloads), payloads.size, payloads.lowest, payloads.highest) == (0, 0, None, None)
    assert payloads.next_on(head(3)) is None and payloads.missing(head(3)) is None


def test_payloads_come_in_the_order_of_the_chain() -> None:
    payloads = kept(*[envelope(number) for number in (7, 5, 6)])
    for number in (4, 5, 6):
        found = payloads.next_on(head(number))
        assert found == envelope(number + 1)
        payloads.drop_until(number + 1)
    assert (len(payloads), payloads.size) == (0, 0)


def test_the_parent_decides_between_two() -> None:
    payloads = kept(envelope(5, branch=1, parent=1), envelope(5, branch=2, parent=0), envelope(5, branch=3, parent=0))
    assert payloads.next_on(head(4)) == envelope(5, branch=2, parent=0)
    assert payloads.next_on(head(4, branch=1)) == envelope(5, branch=1, parent=1)
    assert payloads.next_on(head(4, branch=9)) is None


def test_a_payload_that_failed_makes_room_for_the_other() -> None:
    payloads = kept(envelope(5, branch=1), envelope(5, branch=2))
    payloads.remove(envelope(5, branch=1))
    payloads.remove(envelope(5, branch=1))
    payloads.remove(envelope(9))
    assert payloads.next_on(head(4)) == envelope(5, branch=2)
    assert len(payloads) == 1


def test_each_is_kept_once() -> None:
    payloads = kept(envelope(5))
    refusal = payloads.add(envelope(5))
    assert refusal is not None and refusal.endswith("is kept already")
    assert len(payloads) == 1


def test_of_one_number_only_some_are_kept() -> None:
    payloads = kept(envelope(5, 1), envelope(5, 2), limits=PayloadLimits(max_of_number=2))
    assert payloads.add(envelope(5, 3)) == "2 blocks 5 are kept already"


def test_when_it_is_full_the_lowest_go() -> None:
    payloads = kept(*[envelope(number) for number in (5, 6, 7)], limits=PayloadLimits(max_payloads=3))
    assert payloads.add(envelope(4)) == "what is kept is full, and block 4 is not above the lowest there, 5"
    assert payloads.add(envelope(8)) is None
    assert (len(payloads), payloads.lowest, payloads.highest) == (3, 6, 8)


def test_bytes_are_limited() -> None:
    large = (bytes(40_000),)
    payloads = kept(envelope(5, transactions=large), envelope(6, transactions=large), limits=PayloadLimits(max_bytes=100_000))
    assert payloads.size > 80_000
    assert payloads.add(envelope(7, transactions=large)) is None
    assert (len(payloads), payloads.lowest) == (2, 6)
    refusal = payloads.add(envelope(8, transactions=(bytes(100_000),)))
    assert refusal is not None and "larger than all" in refusal
    assert len(payloads) == 2


def test_what_is_missing_is_what_the_highest_goes_back_to() -> None:
    payloads = kept(*[envelope(number) for number in (5, 6, 9, 12)])
    assert payloads.missing(head(2)) == BlockId(11, hash_of(11))
    assert payloads.missing(head(10)) == BlockId(11, hash_of(11))
    assert payloads.missing(head(11)) is None
    assert payloads.missing(head(20)) is None
    payloads.add(envelope(11))
    payloads.add(envelope(10))
    assert payloads.missing(head(2)) == BlockId(8, hash_of(8))


def test_a_rival_is_not_the_one_that_is_missing() -> None:
    payloads = kept(envelope(8, parent=1), envelope(7, branch=2))
    assert payloads.missing(head(5)) == BlockId(7, hash_of(7, 1))
    assert payloads.missing(head(7)) is None


actions = st.lists(st.tuples(st.sampled_from(("add", "remove", "drop")), st.integers(1, 12), st.integers(0, 4), st.integers(0, 3000)), max_size=40)


@given(actions=actions)
def test_sizes_are_those_of_what_is_kept(actions: list[tuple[str, int, int, int]]) -> None:
    limits = PayloadLimits(max_bytes=20_000, max_payloads=6, max_of_number=3)
    payloads = UnsafePayloads(limits)
    model: dict[bytes, PayloadEnvelope] = {}
    for action, number, branch, size in actions:
        each = envelope(number, branch, transactions=(bytes(size),))
        if action == "add":
            if payloads.add(each) is None:
                model[each.payload.block_hash] = each
        elif action == "remove":
            payloads.remove(each)
            model.pop(each.payload.block_hash, None)
        else:
            payloads.drop_until(number)
        lowest = payloads.lowest
        model = {key: value for key, value in model.items() if lowest is not None and value.payload.block_number >= lowest}
        assert len(payloads) == len(model) <= limits.max_payloads
        assert payloads.size == sum(kept(value).size for value in model.values()) <= limits.max_bytes
        assert payloads.highest == max((value.payload.block_number for value in model.values()), default=None)
