"""Code that an engine which compiles could be slow at: executed once, or huge, or full of jumps, or calling deep down.

The same form as the five workloads; a fixed seed makes the same programs in every run.
"""

from __future__ import annotations

from random import Random

from bench.workloads import Senders, Workload, funded, in_blocks, put_contract
from trinode.execution.state import StateChanges
from trinode.protocol.types import Address

_MAX_CODE = 24_576  # EIP-170
_MAX_INIT_CODE = 49_152  # EIP-3860
_CALL_ITSELF = bytes.fromhex("5f5f5f5f5f305af100")  # CALL(gas, address, 0, no input, no output), STOP
_SIMPLE = bytes.fromhex("01020316181a")  # ADD, MUL, SUB, AND, XOR, BYTE: two operands, one result

_TARGET_SIZE = 8


def make_cliffs() -> tuple[StateChanges, list[Workload]]:
    """The state that they begin with, and the workloads."""
    state, random = funded(), Random(5)
    cold = [_put(state, 1, index, _random_code(random, random.randrange(2_000, 20_000))) for index in range(200)]
    huge = [_put(state, 2, index, _walk(random, _MAX_CODE)) for index in range(10)]
    few = _put(state, 3, 0, _dispatch(targets=64, rounds=20_000))
    many = [_put(state, 3, index, _dispatch(targets=2_048, rounds=4_096)) for index in range(1, 6)]
    deep = _put(state, 4, 0, _CALL_ITSELF)
    return state, [
        _calls("200 cold contracts, once each", cold, 2_000_000),
        _calls("10 contracts of 24 kB, once each", huge, 2_000_000),
        _creations("10 init codes of 49 kB", random),
        _calls("computed jumps, 64 targets", [few], 25_000_000),
        _calls("computed jumps, 5 x 2048 targets", many, 25_000_000),
        _calls("calls about 550 deep, 10 times", [deep] * 10, 20_000_000),
    ]


def _put(state: StateChanges, kind: int, index: int, code: bytes) -> Address:
    address = bytes((0xC1, kind)) + index.to_bytes(18, "big")
    put_contract(state, address, code)
    return address


def _calls(name: str, contracts: list[Address], gas_limit: int) -> Workload:
    senders = Senders()
    return Workload(name, in_blocks([senders.sign(index, address, gas_limit=gas_limit) for index, address in enumerate(contracts)], 5))


def _creations(name: str, random: Random) -> Workload:
    senders = Senders()
    codes = [_walk(random, _MAX_INIT_CODE) for _ in range(10)]
    return Workload(name, in_blocks([senders.sign(index, None, data=code, gas_limit=5_000_000) for index, code in enumerate(codes)], 5))


def _random_code(random: Random, size: int) -> bytes:
    """Blocks of arithmetic on two or three words, memory now and then, each left by a jump to the next one."""
    code = bytearray()
    while len(code) < size:
        code += b"\x5b" + _push(random) + _push(random)
        for _ in range(random.randrange(1, 12)):
            code += _push(random) + bytes((random.choice(_SIMPLE),))
        code += bytes((0x60, random.randrange(0, 256), 0x52, 0x50))  # MSTORE, POP: the stack is empty again
        if random.random() < 0.5:
            code += b"\x61" + (len(code) + 4).to_bytes(2, "big") + b"\x56"  # JUMP
        else:
            code += b"\x60\x01\x61" + (len(code) + 6).to_bytes(2, "big") + b"\x57"  # JUMPI, always
    return bytes(code) + b"\x5b\x00"


def _push(random: Random) -> bytes:
    size = random.choice((1, 1, 2, 4, 20, 32))
    return bytes((0x5F + size,)) + random.randbytes(size)


def _walk(random: Random, size: int) -> bytes:
    """JUMPDESTs and PUSHes with their POPs, up to the last byte; no two are alike."""
    code = bytearray()
    while len(code) < size - 4:
        code += b"\x5b" if random.random() < 0.5 else bytes((0x60, random.randrange(256), 0x50))
    return bytes(code) + bytes(size - len(code))


def _dispatch(*, targets: int, rounds: int) -> bytes:
    """A loop that jumps to one of many JUMPDESTs, which one being computed: i -> 5 i + 1 modulo their number meets them all.

    On the stack: rounds left, i.
    """
    head = b"\x62" + rounds.to_bytes(3, "big") + b"\x5f"  # PUSH3 rounds, PUSH0
    loop = len(head)
    body = b"\x5b\x90\x60\x01\x90\x03\x80\x15\x61" + b"%b" + b"\x57\x90"  # JUMPDEST, SWAP1, minus 1, JUMPI end if 0, SWAP1
    body += b"\x60\x05\x02\x60\x01\x01\x61" + (targets - 1).to_bytes(2, "big") + b"\x16"  # i = 5 i + 1 & targets - 1
    body += b"\x80\x60\x03\x1b\x61" + b"%b" + b"\x01\x56"  # JUMP to first + 8 i
    first = loop + len(body % (b"\0\0", b"\0\0"))
    end = first + _TARGET_SIZE * targets
    code = head + body % (end.to_bytes(2, "big"), first.to_bytes(2, "big"))
    target = b"\x5b\x80\x50\x60" + bytes((loop,)) + b"\x56\0\0"  # JUMPDEST, DUP1, POP, PUSH1 loop, JUMP
    return code + target * targets + b"\x5b\x00"
