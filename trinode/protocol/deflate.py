"""A slow decoder of raw deflate streams (RFC 1951), for those that zlib finds damaged or too short.

Which bytes before the damage count decides which batches a channel has, and there op-node's decoder (Go's
compress/flate) differs from zlib. It gives everything up to the symbol that is wrong. At the end of the input it wants
as many bits as the end-of-block code has before it reads any symbol, and so misses up to 14 bits of symbols. It takes a
code of code lengths with a single symbol, and a literal code without end of block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

WINDOW_SIZE = 1 << 15

_FAST_BITS = 9
_END_OF_BLOCK = 256
_LENGTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_LENGTHS = tuple((3 + symbol, 0) for symbol in range(8)) + tuple(
    (3 + ((4 + symbol % 4) << (symbol // 4 - 1)), symbol // 4 - 1) for symbol in range(8, 28)
) + ((258, 0),)
"""Shortest length and extra bits of the symbols from 257."""
_DISTANCES = tuple((1 + symbol, 0) for symbol in range(4)) + tuple(
    (1 + ((2 + symbol % 2) << (symbol // 2 - 1)), symbol // 2 - 1) for symbol in range(4, 30)
)


class DeflateError(Exception):
    """The stream is damaged; what was given before it holds."""


class DeflateTruncatedError(DeflateError):
    """The stream ends too early."""


class _Code:
    """A Huffman code. `shortest`: bits that are needed before a symbol is looked for."""

    def __init__(self, lengths: Sequence[int]) -> None:
        used = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
        self.shortest = used[0][0] if used else 0
        self.fast = [0] * (1 << _FAST_BITS)  # by the next bits: length << 9 | symbol
        self._long: dict[int, int] = {}  # the same for longer codes, by 1 << length | bits
        longest = used[-1][0] if used else 0
        space = sum(1 << longest - length for length, _ in used)
        if used and space != 1 << longest and not len(used) == longest == 1:
            raise DeflateError("a code is not complete")
        code, previous = 0, self.shortest
        for length, symbol in used:
            code <<= length - previous
            self._add(length, int(f"{code:0{length}b}"[::-1], 2), symbol)
            code, previous = code + 1, length

    def _add(self, length: int, reversed_code: int, symbol: int) -> None:
        entry = length << _FAST_BITS | symbol
        if length > _FAST_BITS:
            self._long[1 << length | reversed_code] = entry
        else:
            step = 1 << length
            self.fast[reversed_code::step] = [entry] * (1 << _FAST_BITS - length)

    def long_entry(self, bits: int) -> int:
        """Of the long code that `bits` start with."""
        for length in range(_FAST_BITS + 1, 16):
            if entry := self._long.get(1 << length | bits & ((1 << length) - 1)):
                return entry
        raise DeflateError("bits that are no code")


_FIXED_LITERALS = _Code([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8)
_FIXED_DISTANCES = _Code([5] * 32)


class Deflate:
    """Decodes `data` from `position` on; at the end of the stream `position` is the one behind it."""

    def __init__(self, data: bytes, position: int) -> None:
        self.position = position  # of the next byte that is not in `_bits`
        self._data = data
        self._bits = self._count = 0
        self._output = bytearray()  # a window of what is given already, and what is not
        self._given = 0

    def pieces(self) -> Iterator[tuple[bytes, bool]]:
        """The output in pieces of any size, and whether the stream asks to give it at once (an empty stored block).

        Raises DeflateError.
        """
        try:
            final = False
            while not final:
                final = self._take(1) == 1
                kind = self._take(2)
                is_flushed = False
                if kind == 0:
                    is_flushed = self._stored()
                elif kind == 1:
                    yield from self._compressed(_FIXED_LITERALS, _FIXED_DISTANCES)
                elif kind == 2:
                    yield from self._compressed(*self._dynamic_codes())
                else:
                    raise DeflateError("a block of the reserved kind")
                yield self._give(), is_flushed
        except DeflateError:
            yield self._give(), False
            raise
        self.position -= self._count >> 3

    def _give(self) -> bytes:
        piece = bytes(self._output[self._given :])
        del self._output[:-WINDOW_SIZE]
        self._given = len(self._output)
        return piece

    def _read_ahead(self) -> None:
        """Have at least 48 bits, what one pair of length and distance takes at most, unless the data ends before."""
        if self._count < 48:
            ahead = self._data[self.position : self.position + 8]
            self._bits |= int.from_bytes(ahead, "little") << self._count
            self._count += 8 * len(ahead)
            self.position += len(ahead)

    def _take(self, count: int) -> int:
        self._read_ahead()
        if self._count < count:
            raise DeflateTruncatedError("the data ends too early")
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        self._count -= count
        return value

    def _symbol(self, code: _Code) -> int:
        self._read_ahead()
        if self._count < code.shortest:
            raise DeflateTruncatedError("the data ends too early")
        entry = code.fast[self._bits & 511] or code.long_entry(self._bits)
        length = entry >> 9
        if self._count < length:
            raise DeflateTruncatedError("the data ends too early")
        self._bits >>= length
        self._count -= length
        return entry & 511

    def _stored(self) -> bool:
        """Whether the block is empty."""
        self.position -= self._count >> 3
        self._bits = self._count = 0
        start = self.position + 4
        size = int.from_bytes(self._data[start - 4 : start - 2], "little")
        if start > len(self._data):
            raise DeflateTruncatedError("the data ends too early")
        if size ^ int.from_bytes(self._data[start - 2 : start], "little") != 0xFFFF:
            raise DeflateError("a stored block whose two lengths differ")
        self.position = min(start + size, len(self._data))
        self._output += self._data[start : self.position]
        if self.position < start + size:
            raise DeflateTruncatedError("the data ends too early")
        return size == 0

    def _dynamic_codes(self) -> tuple[_Code, _Code]:
        literals, distances = self._take(5) + 257, self._take(5) + 1
        if literals > 286 or distances > 30:
            raise DeflateError("too many symbols")
        length_lengths = [0] * 19
        for symbol in _LENGTH_ORDER[: self._take(4) + 4]:
            length_lengths[symbol] = self._take(3)
        code = _Code(length_lengths)
        lengths: list[int] = []
        while len(lengths) < literals + distances:
            symbol = self._symbol(code)
            if symbol < 16:
                lengths.append(symbol)
            elif symbol > 16:
                lengths += [0] * (3 + self._take(3) if symbol == 17 else 11 + self._take(7))
            elif lengths:
                lengths += [lengths[-1]] * (3 + self._take(2))
            else:
                raise DeflateError("the first length repeats the one before it")
        if len(lengths) > literals + distances:
            raise DeflateError("more lengths than symbols")
        literal_code = _Code(lengths[:literals])
        literal_code.shortest = max(literal_code.shortest, lengths[_END_OF_BLOCK])
        return literal_code, _Code(lengths[literals:])

    def _compressed(self, literals: _Code, distances: _Code) -> Iterator[tuple[bytes, bool]]:
        output = self._output
        while (symbol := self._symbol(literals)) != _END_OF_BLOCK:
            if symbol < _END_OF_BLOCK:
                output.append(symbol)
            else:
                if symbol > 285:
                    raise DeflateError("no length has this symbol")
                length, extra = _LENGTHS[symbol - 257]
                length += self._take(extra)
                symbol = self._symbol(distances)
                if symbol > 29:
                    raise DeflateError("no distance has this symbol")
                distance, extra = _DISTANCES[symbol]
                distance += self._take(extra)
                self._repeat(length, distance)
            if len(output) > 4 * WINDOW_SIZE:
                yield self._give(), False

    def _repeat(self, length: int, distance: int) -> None:
        output = self._output
        if distance > len(output):
            raise DeflateError("a distance to before the start")
        start = len(output) - distance
        while length > 0:  # doubles what there is to copy from, where both overlap
            piece = output[start : start + length]
            output += piece
            length -= len(piece)
