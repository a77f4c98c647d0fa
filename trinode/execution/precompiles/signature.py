"""Signatures: secp256k1 recovery (Yellow Paper, appendix E) and P-256 verification (RIP-7212, EIP-7951).

Neither fails: a bad signature, or an input of a wrong length, gives empty output.
"""

from __future__ import annotations

from coincurve import PublicKey

from trinode.protocol.keccak import keccak256

_RECOVERY_IDS = {bytes(31) + b"\x1b": b"\x00", bytes(31) + b"\x1c": b"\x01"}
_TRUE = bytes(31) + b"\x01"


def ecrecover(data: bytes) -> bytes:
    """hash, v (27 or 28), r, s, 32 bytes each, padded with zeros on the right: the signer's address in 32 bytes.

    A high s is as good as a low one here (EIP-2 is about transactions).
    """
    data = data[:128].ljust(128, b"\0")
    recovery_id = _RECOVERY_IDS.get(data[32:64])
    if recovery_id is None:
        return b""
    try:
        key = PublicKey.from_signature_and_message(data[64:] + recovery_id, data[:32], hasher=None)
    except ValueError:
        # r or s is not in [1, n), or r is the x of no point.
        return b""
    return bytes(12) + keccak256(key.format(compressed=False)[1:])[12:]


def p256verify(data: bytes) -> bytes:
    """hash, r, s, x, y, 32 bytes each: 1 in 32 bytes when the signature is right."""
    if len(data) != 160:
        return b""
    # 40 ms to import, which a chain before Fjord does not need.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    try:
        # Refuses coordinates that are not below p, and points not on the curve; infinity has no such form.
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + data[96:])
    except ValueError:
        return b""
    der = utils.encode_dss_signature(int.from_bytes(data[32:64], "big"), int.from_bytes(data[64:96], "big"))
    try:
        key.verify(der, data[:32], ec.ECDSA(utils.Prehashed(SHA256())))
    except InvalidSignature:
        return b""
    return _TRUE
