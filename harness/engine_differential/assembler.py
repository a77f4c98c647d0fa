"""A small assembler of EVM bytecode: instructions, jumps to places, data behind the code."""

from __future__ import annotations

_ROWS = {
    0x00: "STOP ADD MUL SUB DIV SDIV MOD SMOD ADDMOD MULMOD EXP SIGNEXTEND",
    0x10: "LT GT SLT SGT EQ ISZERO AND OR XOR NOT BYTE SHL SHR SAR CLZ",
    0x20: "KECCAK256",
    0x30: "ADDRESS BALANCE ORIGIN CALLER CALLVALUE CALLDATALOAD CALLDATASIZE CALLDATACOPY CODESIZE CODECOPY GASPRICE",
    0x3B: "EXTCODESIZE EXTCODECOPY RETURNDATASIZE RETURNDATACOPY EXTCODEHASH",
    0x40: "BLOCKHASH COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE BLOBHASH BLOBBASEFEE",
    0x50: "POP MLOAD MSTORE MSTORE8 SLOAD SSTORE JUMP JUMPI PC MSIZE GAS JUMPDEST TLOAD TSTORE MCOPY",
    0x5F: " ".join(f"PUSH{size}" for size in range(33)),
    0x80: " ".join(f"DUP{depth}" for depth in range(1, 17)),
    0x90: " ".join(f"SWAP{depth}" for depth in range(1, 17)),
    0xA0: "LOG0 LOG1 LOG2 LOG3 LOG4",
    0xF0: "CREATE CALL CALLCODE RETURN DELEGATECALL CREATE2",
    0xFA: "STATICCALL",
    0xFD: "REVERT INVALID SELFDESTRUCT",
}
OPCODES: dict[str, int] = {name: first + index for first, names in _ROWS.items() for index, name in enumerate(names.split())}


class Place:
    """Somewhere in the code or its data; known once it is assembled."""

    __slots__ = ("offset",)

    def __init__(self) -> None:
        self.offset = 0


class Assembler:
    """Code in the making. Places are pushed as two bytes."""

    def __init__(self) -> None:
        self._code = bytearray()
        self._places: list[tuple[int, Place]] = []
        self._data: list[tuple[Place, bytes]] = []

    def __len__(self) -> int:
        return len(self._code)

    def op(self, *names: str) -> Assembler:
        """Instructions without an operand in the code."""
        self._code += bytes([OPCODES[name] for name in names])
        return self

    def raw(self, data: bytes) -> Assembler:
        """Bytes as they are."""
        self._code += data
        return self

    def push(self, value: int, size: int | None = None) -> Assembler:
        """A number, in `size` bytes, or as few as will do (one at least: PUSH0 is an `op`)."""
        size = max(1, (value.bit_length() + 7) // 8) if size is None else size
        self._code.append(OPCODES["PUSH1"] - 1 + size)
        self._code += value.to_bytes(size, "big")
        return self

    def push_bytes(self, data: bytes) -> Assembler:
        """1 to 32 bytes as a number of as many bytes."""
        return self.push(int.from_bytes(data, "big"), len(data))

    def push_place(self, place: Place) -> Assembler:
        """The offset of a place in the code."""
        self._code.append(OPCODES["PUSH2"])
        self._places.append((len(self._code), place))
        self._code += bytes(2)
        return self

    def put(self, place: Place) -> Assembler:
        """`place` is here, and can be jumped to."""
        place.offset = len(self._code)
        return self.op("JUMPDEST")

    def data(self, content: bytes) -> Place:
        """Bytes behind the code."""
        place = Place()
        self._data.append((place, content))
        return place

    def copy_data(self, content: bytes, to: int) -> Assembler:
        """Puts bytes into memory at `to`, from behind the code."""
        return self.push(len(content)).push_place(self.data(content)).push(to).op("CODECOPY")

    def assemble(self) -> bytes:
        """The bytecode."""
        code = bytearray(self._code)
        if self._data:
            code.append(OPCODES["INVALID"])  # nobody falls into the data
        for place, content in self._data:
            place.offset = len(code)
            code += content
        for position, place in self._places:
            code[position : position + 2] = place.offset.to_bytes(2, "big")
        return bytes(code)
