"""What a contract says when it reverts: Solidity's Error(string) and Panic(uint256)."""

from __future__ import annotations

_ERROR = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")
_PANICS = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}


def revert_reason(output: bytes) -> str | None:
    """The text that reverted `output` carries (Solidity's ABI), None: it carries none."""
    selector, arguments = output[:4], output[4:]
    if selector == _PANIC and len(arguments) >= 32:
        code = int.from_bytes(arguments[:32], "big")
        return _PANICS.get(code, f"unknown panic code: {code:#x}")
    if selector != _ERROR or len(arguments) < 32:
        return None
    start = int.from_bytes(arguments[:32], "big")
    if start + 32 > len(arguments):
        return None
    size = int.from_bytes(arguments[start : start + 32], "big")
    text = arguments[start + 32 : start + 32 + size]
    return text.decode("utf-8", "replace") if len(text) == size else None
