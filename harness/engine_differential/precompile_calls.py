"""Input for the precompiled contracts: right, nearly right and wrong, short and long.

Points of BLS12-381 are made by the contracts that map a field element to one, in the program itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random

from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_keys.datatypes import PrivateKey

from trinode.protocol.types import Address

_BACKEND = CoinCurveECCBackend()
_BN254_P = 21888242871839275222246405745257275088696311157297823662689037894645226208583
_BLS_P = int("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab", 16)
_BN254_G2 = bytes.fromhex(
    # The generator of the second group, imaginary parts first (EIP-197).
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
)
_P256_EXAMPLE = bytes.fromhex(
    # Message hash, r, s, x, y of a signature by P-256 (the valid example of EIP-7951's reference test).
    "bb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023"
    "2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18"
    "4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76"
    "2927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838"
    "c7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e"
)
_INFINITY = b"\xc0" + bytes(47)  # compressed, of BLS12-381

MODEXP: Address = bytes(19) + b"\x05"
P256VERIFY: Address = bytes(18) + b"\x01\x00"
BLS_FROM = 0x0B
BLS_LAST = 0x11


def precompile_addresses() -> tuple[Address, ...]:
    """All contracts that any fork has."""
    return (*(bytes(19) + bytes([number]) for number in range(1, BLS_LAST + 1)), P256VERIFY)


def precompile_input(random: Random, address: Address) -> bytes:
    """Input for the contract at `address`, mostly right for it."""
    number = int.from_bytes(address, "big")
    data = _INPUTS.get(number, _any_bytes)(random)
    kind = random.random()
    if kind < 0.7 or not data:
        return data
    if kind < 0.78:
        return data[: random.randrange(len(data))]
    if kind < 0.85:
        return data + random.randbytes(random.randrange(1, 40))
    spoilt = bytearray(data)
    spoilt[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(spoilt)


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _any_bytes(random: Random) -> bytes:
    return random.randbytes(random.choice((0, 1, 32, 55, 64, 100, 300)))


def _ecrecover(random: Random) -> bytes:
    message = random.randbytes(32)
    signature = PrivateKey(random.randbytes(31) + b"\x01", backend=_BACKEND).sign_msg_hash(message)
    v = random.choice((27 + signature.v,) * 4 + (signature.v, 29))
    return message + _word(v) + _word(signature.r) + _word(signature.s)


def _modexp(random: Random) -> bytes:
    sizes = [random.choice((0, 1, 2, 8, 31, 32, 33, 64, 96)) for _ in range(3)]
    if random.random() < 0.1:
        sizes[random.randrange(3)] = random.choice((1024, 1025, 2**32, 2**64, 2**255))
    modulus = random.choice((b"", b"\x00", b"\x01", random.randbytes(96)))
    return b"".join(map(_word, sizes)) + random.randbytes(min(sizes[0], 2048)) + random.randbytes(min(sizes[1], 2048)) + modulus


def _bn254_point(random: Random) -> bytes:
    return random.choice((bytes(64), _word(1) + _word(2), _word(1) + _word(_BN254_P - 2), _word(1) + _word(3), _word(_BN254_P) + bytes(32)))


def _bn254_mul(random: Random) -> bytes:
    return _bn254_point(random) + _word(random.choice((0, 1, 2, random.getrandbits(256), 2**256 - 1)))


def _bn254_pairing(random: Random) -> bytes:
    if random.random() < 0.4:
        return _word(1) + _word(2) + _BN254_G2 + _word(1) + _word(_BN254_P - 2) + _BN254_G2
    return b"".join(_bn254_point(random) + random.choice((bytes(128), _BN254_G2)) for _ in range(random.randrange(3)))


def _blake2f(random: Random) -> bytes:
    rounds = random.choice((0, 1, 12, 200, 2**32 - 1))
    return rounds.to_bytes(4, "big") + random.randbytes(208) + bytes([random.choice((0, 1, 1, 2))])


def _point_evaluation(random: Random) -> bytes:
    """The commitment to the zero polynomial, whose value is 0 everywhere."""
    versioned_hash = b"\x01" + hashlib.sha256(_INFINITY).digest()[1:]
    return versioned_hash + _word(random.getrandbits(240)) + bytes(32) + _INFINITY + _INFINITY


def _field(random: Random) -> bytes:
    return random.choice((random.randrange(_BLS_P),) * 4 + (0, _BLS_P)).to_bytes(64, "big")


def _p256(_random: Random) -> bytes:
    return _P256_EXAMPLE


def _infinities(size: int, tail: int = 0) -> bytes:
    return bytes(size + tail)


_INPUTS: dict[int, Callable[[Random], bytes]] = {
    1: _ecrecover,
    5: _modexp,
    6: lambda random: _bn254_point(random) + _bn254_point(random),
    7: _bn254_mul,
    8: _bn254_pairing,
    9: _blake2f,
    0x0A: _point_evaluation,
    0x0B: lambda _: _infinities(256),
    0x0C: lambda random: (_infinities(128) + random.randbytes(32)) * random.choice((0, 1, 2, 3)),
    0x0D: lambda _: _infinities(512),
    0x0E: lambda random: (_infinities(256) + random.randbytes(32)) * random.choice((0, 1, 2)),
    0x0F: lambda random: _infinities(384) * random.choice((0, 1, 2)),
    0x10: _field,
    0x11: lambda random: _field(random) + _field(random),
    0x100: _p256,
}
