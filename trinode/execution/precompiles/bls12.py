"""The curve BLS12-381 (EIP-2537, as in Prague): addition, multi-scalar multiplication, pairing, maps to the curve.

A field element takes 64 bytes, of which the first 16 are zeros; an element of Fp2 is two of them, c0 and c1; a point is x
and y, and infinity is zeros. Points that are multiplied or paired must be in the subgroup, points that are added need
only be on the curve. Arkworks checks all of this except the 16 zeros.
"""

from __future__ import annotations

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from trinode.execution.errors import PrecompileFailure

_FP = 64
_PADDING = 16
_G1 = 2 * _FP
_G2 = 4 * _FP
_SCALAR = 32
_G1_TERM = _G1 + _SCALAR
_G2_TERM = _G2 + _SCALAR
_PAIR = _G1 + _G2

_G1_MULTIPLICATION = 12_000
_G2_MULTIPLICATION = 22_500
# fmt: off
_G1_DISCOUNTS = (  # in thousandths, of 1, 2, ... 128 and more terms
    1000, 949, 848, 797, 764, 750, 738, 728, 719, 712, 705, 698, 692, 687, 682, 677, 673, 669, 665, 661, 658,
    654, 651, 648, 645, 642, 640, 637, 635, 632, 630, 627, 625, 623, 621, 619, 617, 615, 613, 611, 609, 608,
    606, 604, 603, 601, 599, 598, 596, 595, 593, 592, 591, 589, 588, 586, 585, 584, 582, 581, 580, 579, 577,
    576, 575, 574, 573, 572, 570, 569, 568, 567, 566, 565, 564, 563, 562, 561, 560, 559, 558, 557, 556, 555,
    554, 553, 552, 551, 550, 549, 548, 547, 547, 546, 545, 544, 543, 542, 541, 540, 540, 539, 538, 537, 536,
    536, 535, 534, 533, 532, 532, 531, 530, 529, 528, 528, 527, 526, 525, 525, 524, 523, 522, 522, 521, 520,
    520, 519,
)
_G2_DISCOUNTS = (
    1000, 1000, 923, 884, 855, 832, 812, 796, 782, 770, 759, 749, 740, 732, 724, 717, 711, 704, 699, 693, 688,
    683, 679, 674, 670, 666, 663, 659, 655, 652, 649, 646, 643, 640, 637, 634, 632, 629, 627, 624, 622, 620,
    618, 615, 613, 611, 609, 607, 606, 604, 602, 600, 598, 597, 595, 593, 592, 590, 589, 587, 586, 584, 583,
    582, 580, 579, 578, 576, 575, 574, 573, 571, 570, 569, 568, 567, 566, 565, 563, 562, 561, 560, 559, 558,
    557, 556, 555, 554, 553, 552, 552, 551, 550, 549, 548, 547, 546, 545, 545, 544, 543, 542, 541, 541, 540,
    539, 538, 537, 537, 536, 535, 535, 534, 533, 532, 532, 531, 530, 530, 529, 528, 528, 527, 526, 526, 525,
    524, 524,
)
# fmt: on


def g1_add(data: bytes) -> bytes:
    """Two points on the curve of G1 (128 bytes each): their sum."""
    _exactly(2 * _G1, data)
    try:
        return _padded((_g1_on_curve(data[:_G1]) + _g1_on_curve(data[_G1:])).to_xy_bytes_be())
    except ValueError as error:
        raise PrecompileFailure(str(error)) from error


def g2_add(data: bytes) -> bytes:
    """Two points on the curve of G2 (256 bytes each): their sum."""
    _exactly(2 * _G2, data)
    try:
        return _padded((_g2_on_curve(data[:_G2]) + _g2_on_curve(data[_G2:])).to_xy_bytes_be())
    except ValueError as error:
        raise PrecompileFailure(str(error)) from error


def g1_msm_gas(data: bytes) -> int:
    return _msm_gas(len(data) // _G1_TERM, _G1_MULTIPLICATION, _G1_DISCOUNTS)


def g2_msm_gas(data: bytes) -> int:
    return _msm_gas(len(data) // _G2_TERM, _G2_MULTIPLICATION, _G2_DISCOUNTS)


def g1_msm(max_input_size: int | None, data: bytes) -> bytes:
    """Terms of a point of G1 and a scalar of 32 bytes, any value: the sum of the products."""
    _many(_G1_TERM, max_input_size, data)
    try:
        points = [_g1(data[at : at + _G1]) for at in range(0, len(data), _G1_TERM)]
    except ValueError as error:
        raise PrecompileFailure(str(error)) from error
    scalars = _scalars(_G1_TERM, data)
    # Multiplication alone takes half the time of a sum of one term.
    product = points[0] * scalars[0] if len(points) == 1 else G1Point.multiexp_unchecked(points, scalars)
    return _padded(product.to_xy_bytes_be())


def g2_msm(max_input_size: int | None, data: bytes) -> bytes:
    """Terms of a point of G2 and a scalar of 32 bytes, any value: the sum of the products."""
    _many(_G2_TERM, max_input_size, data)
    try:
        points = [_g2(data[at : at + _G2]) for at in range(0, len(data), _G2_TERM)]
    except ValueError as error:
        raise PrecompileFailure(str(error)) from error
    scalars = _scalars(_G2_TERM, data)
    product = points[0] * scalars[0] if len(points) == 1 else G2Point.multiexp_unchecked(points, scalars)
    return _padded(product.to_xy_bytes_be())


def pairing_gas(data: bytes) -> int:
    return 37_700 + 32_600 * (len(data) // _PAIR)


def pairing(max_input_size: int | None, data: bytes) -> bytes:
    """Pairs of a point of G1 and one of G2: 1 in 32 bytes where the product of their pairings is 1, else 0."""
    _many(_PAIR, max_input_size, data)
    starts = range(0, len(data), _PAIR)
    try:
        g1s = [_g1(data[at : at + _G1]) for at in starts]
        g2s = [_g2(data[at + _G1 : at + _PAIR]) for at in starts]
    except ValueError as error:
        raise PrecompileFailure(str(error)) from error
    return GT.pairing_check(g1s, g2s).to_bytes(32, "big")


def map_fp_to_g1(data: bytes) -> bytes:
    """An element of Fp (64 bytes): its point of G1."""
    _exactly(_FP, data)
    try:
        return _padded(G1Point.map_from_fp_be(_unpadded(data)).to_xy_bytes_be())
    except ValueError as error:
        raise PrecompileFailure(str(error)) from error


def map_fp2_to_g2(data: bytes) -> bytes:
    """An element of Fp2 (128 bytes): its point of G2."""
    _exactly(2 * _FP, data)
    try:
        return _padded(G2Point.map_from_fp2_be(_unpadded(data)).to_xy_bytes_be())
    except ValueError as error:
        raise PrecompileFailure(str(error)) from error


def _msm_gas(terms: int, multiplication: int, discounts: tuple[int, ...]) -> int:
    if terms == 0:
        return 0
    return terms * multiplication * discounts[min(terms, len(discounts)) - 1] // 1000


def _exactly(length: int, data: bytes) -> None:
    if len(data) != length:
        raise PrecompileFailure(f"{len(data)} bytes where {length} are expected")


def _many(size: int, max_input_size: int | None, data: bytes) -> None:
    if not data or len(data) % size:
        raise PrecompileFailure(f"{len(data)} bytes are not one or more times {size}")
    if max_input_size is not None and len(data) > max_input_size:
        raise PrecompileFailure(f"{len(data)} bytes, and the limit is {max_input_size}")


def _unpadded(data: bytes) -> bytes:
    """The elements of `data` in 48 bytes each, as arkworks takes them."""
    starts = range(0, len(data), _FP)
    if any(any(data[at : at + _PADDING]) for at in starts):
        raise PrecompileFailure("a field element is not below the field's modulus")
    return b"".join([data[at + _PADDING : at + _FP] for at in starts])


def _padded(elements: bytes) -> bytes:
    size = _FP - _PADDING
    return b"".join([bytes(_PADDING) + elements[at : at + size] for at in range(0, len(elements), size)])


def _g1_on_curve(data: bytes) -> G1Point:
    return G1Point.from_xy_bytes_unchecked_be(_unpadded(data))


def _g2_on_curve(data: bytes) -> G2Point:
    return G2Point.from_xy_bytes_unchecked_be(_unpadded(data))


def _g1(data: bytes) -> G1Point:
    return G1Point.from_xy_bytes_be(_unpadded(data))


def _g2(data: bytes) -> G2Point:
    return G2Point.from_xy_bytes_be(_unpadded(data))


def _scalars(term: int, data: bytes) -> list[Scalar]:
    """The last 32 bytes of every term. A point of the subgroup times the group's order is infinity, so that scalars may
    be reduced."""
    return [Scalar.from_be_bytes_mod_order(data[end - _SCALAR : end]) for end in range(term, len(data) + 1, term)]
