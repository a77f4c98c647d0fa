"""A small assembler for the EVM: the contracts of the devnet are a few dozen instructions each (yellow paper, appendix H).

    assemble("PUSH0 CALLDATALOAD 224 SHR  @owner JUMPI  ... owner: ...")

Words are opcodes; numbers (decimal or 0x, with as many bytes as they have digits) and `@label` are pushed; `label:` is a JUMPDEST.
"""

from __future__ import annotations

_OPCODES = {
    name: code
    for start, names in {
        0x00: "STOP ADD MUL SUB",
        0x10: "LT GT",
        0x14: "EQ ISZERO AND OR",
        0x1A: "BYTE SHL SHR",
        0x20: "KECCAK256",
        0x30: "ADDRESS BALANCE ORIGIN CALLER CALLVALUE CALLDATALOAD CALLDATASIZE CALLDATACOPY",
        0x3D: "RETURNDATASIZE RETURNDATACOPY",
        0x47: "SELFBALANCE",
        0x50: "POP MLOAD MSTORE MSTORE8 SLOAD SSTORE JUMP JUMPI",
        0x5A: "GAS JUMPDEST",
        0x5F: "PUSH0",
        0x80: "DUP1 DUP2 DUP3 DUP4 DUP5 DUP6",
        0x90: "SWAP1 SWAP2 SWAP3 SWAP4",
        0xA0: "LOG0 LOG1 LOG2 LOG3 LOG4",
        0xF1: "CALL",
        0xF3: "RETURN DELEGATECALL",
        0xFD: "REVERT",
    }.items()
    for code, name in enumerate(names.split(), start)
}
_PUSH0, _PUSH2 = 0x5F, 0x61


def assemble(text: str) -> bytes:
    """The code of `text`; what follows `;` in a line is a comment. Raises ValueError for a word that is none, and for a missing label."""
    words = [word for line in text.splitlines() for word in line.partition(";")[0].split()]
    labels: dict[str, int] = {}
    position = 0
    for word in words:
        if word.endswith(":"):
            labels[word[:-1]] = position
        position += _size(word)
    return b"".join(_encode(word, labels) for word in words)


def _size(word: str) -> int:
    return 3 if word.startswith("@") else len(_encode(word, {}))


def _encode(word: str, labels: dict[str, int]) -> bytes:
    if word.startswith("@"):
        if word[1:] not in labels:
            raise ValueError(f"there is no label {word[1:]}")
        return bytes([_PUSH2]) + labels[word[1:]].to_bytes(2, "big")
    if word.endswith(":"):
        return bytes([_OPCODES["JUMPDEST"]])
    if word[0].isdigit():
        number = bytes.fromhex(word[2:]) if word.startswith("0x") else int(word).to_bytes((int(word).bit_length() + 7) // 8, "big")
        return bytes([_PUSH0 + len(number)]) + number
    if word not in _OPCODES:
        raise ValueError(f"{word} is no opcode that is known here")
    return bytes([_OPCODES[word]])
