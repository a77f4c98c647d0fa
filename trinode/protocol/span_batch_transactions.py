"""The transactions of a span batch, taken apart into columns (specification: delta/span-batches, "Span Batch Format"; isthmus/span-batch).

Columns: contract creation bits, y parity bits, signatures (r and s, 64 bytes), recipients, what is left as RLP, nonces, gas limits, and for legacy
transactions whether EIP-155 protects them. Putting them together again is the hottest loop of derivation: it splices slices of
the input and makes no object per field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trinode.protocol.batch import BatchDecodingError
from trinode.protocol.rlp_codec import (
    Item,
    RlpDecodingError,
    decode_list,
    encode,
    encode_bytes,
    encode_int,
    encode_list,
    split,
    to_bytes,
    to_int,
)

MAX_SPAN_BATCH_ELEMENT_COUNT = 10_000_000
_SIGNATURE_SIZE = 64
_ADDRESS_SIZE = 20
_EMPTY_STRING, _EMPTY_LIST = 0x80, 0xC0


class SpanTransactionError(BatchDecodingError):
    """A transaction that cannot be put together: its span is lost, and the channel is read on."""


# ---- numbers and bits ----


def read_uvarint(data: bytes, position: int) -> tuple[int, int]:
    """A number and the position behind it, as Go reads it: at most 10 bytes and 64 bits, shortest form or not."""
    number = shift = 0
    for index, byte in enumerate(data[position : position + 10]):
        if byte < 0x80:
            if index == 9 and byte > 1:
                break
            return number | byte << shift, position + index + 1
        number |= (byte & 0x7F) << shift
        shift += 7
    if position + 10 > len(data):
        raise BatchDecodingError("the span batch ends within a number")
    raise BatchDecodingError("a number of more than 64 bits")


def read_uvarints(data: bytes, position: int, count: int) -> tuple[Sequence[int], int]:
    """`count` numbers and the position behind them."""
    end = position + count
    if end > len(data):
        raise BatchDecodingError(f"the span batch ends within {count} numbers")
    column = data[position:end]
    if not count or max(column) < 0x80:  # all of them small: the bytes are the numbers
        return column, end
    numbers: list[int] = []
    append = numbers.append
    try:
        for _ in range(count):
            byte = data[position]
            if byte < 0x80:
                append(byte)
                position += 1
                continue
            second = data[position + 1]
            if second < 0x80:
                append(byte & 0x7F | second << 7)
                position += 2
                continue
            third = data[position + 2]
            if third < 0x80:
                append(byte & 0x7F | (second & 0x7F) << 7 | third << 14)
                position += 3
                continue
            number, position = read_uvarint(data, position)
            append(number)
    except IndexError:
        raise BatchDecodingError("the span batch ends within a number") from None
    return numbers, position


def encode_uvarint(number: int) -> bytes:
    """The shortest form of a uint64."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_bits(data: bytes, position: int, count: int) -> tuple[str, int]:
    """`count` bits as "0" and "1", the lowest first, and the position behind them. No bits beyond `count` may be set."""
    end = position + (count + 7) // 8
    if end > len(data):
        raise BatchDecodingError(f"the span batch ends within {count} bits")
    number = int.from_bytes(data[position:end], "big")
    if number.bit_length() > count:
        raise BatchDecodingError(f"{number.bit_length()} bits where {count} are expected")
    return f"{number:0{count}b}"[::-1] if count else "", end


def encode_bits(bits: Iterable[bool]) -> bytes:
    """Bits, the lowest first, in as few bytes as hold them."""
    text = "".join("1" if bit else "0" for bit in bits)
    return int(text[::-1] or "0", 2).to_bytes((len(text) + 7) // 8, "big")


# ---- decoding ----


def decode_span_transactions(data: bytes, position: int, count: int, chain_id: int) -> list[bytes]:
    """`count` raw transactions from the columns at `position`. Raises BatchDecodingError, SpanTransactionError."""
    creations, position = read_bits(data, position, count)
    parities, position = read_bits(data, position, count)
    signatures = position
    recipients = signatures + _SIGNATURE_SIZE * count
    position = recipients + _ADDRESS_SIZE * creations.count("0")
    if position > len(data):
        raise BatchDecodingError("the span batch ends within signatures and recipients")
    rest, position = _read_rest(data, position, count)
    nonces, position = read_uvarints(data, position, count)
    gas_limits, position = read_uvarints(data, position, count)
    legacy = sum(prefix in (0, _LEGACY) for prefix, _, _ in rest)
    protections, position = read_bits(data, position, legacy)
    columns = zip(creations, parities, nonces, gas_limits, rest, strict=True)
    return _assemble(data, columns, signatures, recipients, iter(protections), chain_id)


_LEGACY = -1
_Rest = tuple[int, int, int]
"""A transaction's type (_LEGACY without type byte), and where its RLP list starts and ends."""


def _read_rest(data: bytes, position: int, count: int) -> tuple[list[_Rest], int]:
    """What is left of `count` transactions: an optional type byte and a list; only the lists' sizes are looked at."""
    rest: list[_Rest] = []
    size = len(data)
    for _ in range(count):
        if position >= size:
            raise BatchDecodingError("the span batch ends within its transactions")
        kind = data[position]
        if kind < 0x80:
            position += 1
        else:
            kind = _LEGACY
        end = position + data[position] - 0xBF if position < size and 0xC0 <= data[position] < 0xF8 else 0
        if not position < end <= size:
            end = _list_end(data, position)
        rest.append((kind, position, end))
        position = end
    return rest, position


def _list_end(data: bytes, position: int) -> int:
    """Where a list of any size ends."""
    try:
        is_list, _, end = split(data, position)
    except RlpDecodingError as error:
        raise BatchDecodingError(f"a transaction's list: {error}") from error
    if not is_list:
        raise BatchDecodingError("a transaction whose fields are not a list")
    if end - position > MAX_SPAN_BATCH_ELEMENT_COUNT:
        raise BatchDecodingError(f"{end - position} bytes of a transaction, at most {MAX_SPAN_BATCH_ELEMENT_COUNT}")
    return end


def _assemble(
    data: bytes,
    columns: Iterable[tuple[str, str, int, int, _Rest]],
    signature: int,
    recipient: int,
    protections: Iterable[str],
    chain_id: int,
) -> list[bytes]:
    """Put the transactions together: in the span a list holds (value, fees, data ...), in a transaction the fees come first."""
    transactions: list[bytes] = []
    protected = iter(protections)
    encoded_chain_id = encode_int(chain_id)
    small = _SmallIntegers()
    for creation, parity, nonce, gas_limit, (kind, start, end) in columns:
        if creation == "1":
            to = b"\x80"
        else:
            to = b"\x94" + data[recipient : recipient + _ADDRESS_SIZE]
            recipient += _ADDRESS_SIZE
        first, fees, value_end, fees_end = _field_bounds(data, kind, start, end, creation)
        if kind == _LEGACY:
            prefix, head = b"", b""
            v = (chain_id * 2 + 35 + (parity == "1")) & (2**64 - 1) if next(protected) == "1" else 27 + (parity == "1")
            encoded_v = small[v]
        else:
            prefix, head = _TYPE_BYTES[kind], encoded_chain_id
            encoded_v = b"\x01" if parity == "1" else b"\x80"
        r = data[signature : signature + 32]
        s = data[signature + 32 : signature + 64]
        signature += _SIGNATURE_SIZE
        payload = b"".join((
            head,
            small[nonce],
            data[fees:fees_end],
            small[gas_limit],
            to,
            data[first:value_end],
            data[fees_end:end],
            encoded_v,
            b"\xa0" + r if r[0] else encode_bytes(r.lstrip(b"\0")),
            b"\xa0" + s if s[0] else encode_bytes(s.lstrip(b"\0")),
        ))
        size = len(payload)
        if size < 56:
            transactions.append(prefix + bytes((0xC0 + size,)) + payload)
        elif size < 256:
            transactions.append(prefix + bytes((0xF8, size)) + payload)
        else:
            length = size.to_bytes((size.bit_length() + 7) // 8, "big")
            transactions.append(prefix + bytes((0xF7 + len(length),)) + length + payload)
    return transactions


class _SmallIntegers(dict[int, bytes]):
    """RLP of integers, each made once: gas limits repeat."""

    def __missing__(self, number: int) -> bytes:
        encoded = self[number] = encode_int(number)
        return encoded


_TYPE_BYTES = {kind: bytes([kind]) for kind in (1, 2, 4)}
_FEE_FIELDS = {_LEGACY: 1, 1: 1, 2: 2, 4: 2}


def _field_bounds(data: bytes, kind: int, start: int, end: int, creation: str) -> tuple[int, int, int, int]:
    """Where value (and with it the list's payload) and fees start, and where they end; everything else is checked on the way."""
    fee_fields = _FEE_FIELDS.get(kind)
    if fee_fields is None:
        raise SpanTransactionError(f"transaction type {kind} in a span batch")
    if kind == 4 and creation == "1":
        raise SpanTransactionError("a set-code transaction without recipient")
    prefix = data[start]
    first = start + 1 if prefix < 0xF8 else start + prefix - 0xF6
    try:
        fees = value_end = _integer_end(data, first, end, kind)
        for _ in range(fee_fields):
            value_end = _integer_end(data, value_end, end, kind)
        fees_end = value_end
        if fees_end < end and data[fees_end] == _EMPTY_STRING:
            position = fees_end + 1
        else:
            is_list, _, position = split(data, fees_end)
            if is_list:
                raise RlpDecodingError("a list where the data is expected")
        if kind != _LEGACY:
            position = _access_list_end(data, position, end)
        if kind == 4:
            position = _authorization_list_end(data, position, end)
    except RlpDecodingError as error:
        raise SpanTransactionError(str(error)) from error
    if position != end:
        raise SpanTransactionError(f"a transaction's list of type {kind} has too many or too few fields")
    return first, fees, fees, fees_end


def _integer_end(data: bytes, position: int, end: int, kind: int) -> int:
    """Where the integer at `position` ends; it may be of any size, but for type 4 of at most 256 bits."""
    if position >= end:
        raise RlpDecodingError("too few fields")
    prefix = data[position]
    if 0 < prefix < 0x80:
        return position + 1
    if 0x80 < prefix <= 0xA0:
        stop = position + prefix - 0x7F
        leading = data[position + 1] if stop <= end else 0
        if leading == 0 or (prefix == 0x81 and leading < 0x80):
            raise RlpDecodingError("an integer that is not in its shortest form, or too long for its list")
        return stop
    if prefix == 0x80:
        return position + 1
    is_list, start, stop = split(data, position)
    if is_list or data[start] == 0 or stop > end or kind == 4:
        raise RlpDecodingError("not an integer in its shortest form")
    return stop


def _access_list_end(data: bytes, position: int, end: int) -> int:
    if position < end and data[position] == _EMPTY_LIST:
        return position + 1
    is_list, _, stop = split(data, position)
    if not is_list or stop > end:
        raise RlpDecodingError("the access list is no list within the transaction's list")
    for entry in decode_list(data[position:stop]):
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], list)):
            raise RlpDecodingError("an access list entry is not an address with a list of keys")
        if not _is_bytes(entry[0], _ADDRESS_SIZE) or not all(_is_bytes(key, 32) for key in entry[1]):
            raise RlpDecodingError("an access list entry has fields of other sizes than 20 and 32 bytes")
    return stop


def _authorization_list_end(data: bytes, position: int, end: int) -> int:
    is_list, _, stop = split(data, position)
    if not is_list or stop > end:
        raise RlpDecodingError("the authorization list is no list within the transaction's list")
    for entry in decode_list(data[position:stop]):
        if not (isinstance(entry, list) and len(entry) == 6 and _is_bytes(entry[1], _ADDRESS_SIZE)):
            raise RlpDecodingError("an authorization is not (chain id, address, nonce, y parity, r, s)")
        for field, size in zip((0, 2, 3, 4, 5), (32, 8, 1, 32, 32), strict=True):
            to_int(entry[field], size)
    return stop


def _is_bytes(item: Item, size: int) -> bool:
    return isinstance(item, bytes) and len(item) == size


# ---- encoding ----


def encode_span_transactions(transactions: Sequence[bytes], chain_id: int) -> bytes:
    """The columns of raw transactions (types 0, 1, 2, 4). Raises ValueError for others, and for another chain's."""
    parts = [_take_apart(raw, chain_id) for raw in transactions]
    return b"".join((
        encode_bits(part.to == b"" for part in parts),
        encode_bits(part.parity for part in parts),
        *(part.signature for part in parts),
        *(part.to for part in parts),
        *(part.rest for part in parts),
        *(encode_uvarint(part.nonce) for part in parts),
        *(encode_uvarint(part.gas_limit) for part in parts),
        encode_bits(part.protected for part in parts if part.protected is not None),
    ))


class _Parts:
    """One transaction, taken apart. `protected` is None for all but legacy transactions."""

    def __init__(
        self, nonce: Item, gas_limit: Item, to: Item, parity: int, r: Item, s: Item, rest: bytes, protected: bool | None = None
    ) -> None:
        self.nonce, self.gas_limit, self.to = to_int(nonce, 8), to_int(gas_limit, 8), to_bytes(to)
        self.parity = bool(parity)
        self.signature = to_bytes(r).rjust(32, b"\0") + to_bytes(s).rjust(32, b"\0")
        self.rest = rest
        self.protected = protected


def _take_apart(raw: bytes, chain_id: int) -> _Parts:
    kind = _LEGACY if raw[:1] >= b"\xc0" else raw[0]
    if kind == _LEGACY:
        nonce, gas_price, gas, to, value, data, v, r, s = decode_list(raw)
        number = to_int(v, 32)
        if number not in (27, 28, chain_id * 2 + 35, chain_id * 2 + 36):
            raise ValueError(f"a legacy transaction with v {number} in a span batch of chain {chain_id}")
        protected = number >= 35
        parity = (number - 35) % 2 if protected else number - 27
        return _Parts(nonce, gas, to, parity, r, s, _encode_fields([value, gas_price, data]), protected)
    if kind not in _TYPE_BYTES:
        raise ValueError(f"transaction type {kind} in a span batch")
    chain, nonce, *middle, y_parity, r, s = decode_list(raw[1:])
    if to_int(chain, 32) != chain_id:
        raise ValueError(f"a transaction of chain {to_int(chain, 32)} in a span batch of chain {chain_id}")
    fees, (gas, to, value, *others) = middle[: _FEE_FIELDS[kind]], middle[_FEE_FIELDS[kind] :]
    rest = _TYPE_BYTES[kind] + _encode_fields([value, *fees, *others])
    return _Parts(nonce, gas, to, to_int(y_parity, 1), r, s, rest)


def _encode_fields(items: list[Item]) -> bytes:
    return encode_list(encode(item) for item in items)
