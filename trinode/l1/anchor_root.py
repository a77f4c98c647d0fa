"""The newest output root that L1's bridge holds for proved (specification: fault-proof, "Anchor State Registry").

It is what withdrawals are paid by. That the endpoint says the truth of these contracts is believed, as it is of which block is canonical.
"""

from __future__ import annotations

from typing import NamedTuple

from trinode.jsonrpc.calls import JsonRpc, RpcRefusedError
from trinode.jsonrpc.endpoint import WrongAnswerError
from trinode.jsonrpc.replies import JsonObject
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, Hash32
from trinode.rollup.json_fields import to_hex

METHOD = "eth_call"
_WORD = 32
_BLOCK = "finalized"


class AnchorRoot(NamedTuple):
    """An L2 block's number, and its output root."""

    number: int
    output_root: Hash32


async def anchor_root(rpc: JsonRpc, portal: Address) -> AnchorRoot:
    """What the contracts behind `portal` (OptimismPortal) say at L1's finalized block. Raises EndpointError, also where there are none."""
    registry = await _registry(rpc, portal)
    root, number = _words(rpc, await _call(rpc, registry, "getAnchorRoot()"), 2)
    if not any(root) or int.from_bytes(number, "big") >= 1 << 64:
        raise WrongAnswerError(rpc.name, METHOD, "getAnchorRoot()", f"no output root: 0x{root.hex()} of block 0x{number.hex()}")
    return AnchorRoot(int.from_bytes(number, "big"), root)


async def _registry(rpc: JsonRpc, portal: Address) -> Address:
    """The portal's registry; of older portals, that of the dispute games which they respect."""
    try:
        return _address(rpc, await _call(rpc, portal, "anchorStateRegistry()"))
    except (RpcRefusedError, WrongAnswerError):
        factory = _address(rpc, await _call(rpc, portal, "disputeGameFactory()"))
        (game_type,) = _words(rpc, await _call(rpc, portal, "respectedGameType()"), 1)
        game = _address(rpc, await _call(rpc, factory, "gameImpls(uint32)", game_type))
        return _address(rpc, await _call(rpc, game, "anchorStateRegistry()"))


async def _call(rpc: JsonRpc, to: Address, signature: str, argument: bytes = b"") -> bytes:
    data = keccak256(signature.encode())[:4] + argument
    message = {"to": to_hex(to), "data": to_hex(data)}
    return await rpc.call(METHOD, [message, _BLOCK], lambda result: JsonObject({"": result}, "result").data(""), patient=False)


def _words(rpc: JsonRpc, answer: bytes, count: int) -> list[bytes]:
    if len(answer) != count * _WORD:
        raise WrongAnswerError(rpc.name, METHOD, "result", f"{len(answer)} bytes, not {count * _WORD}: no such contract, or one without that method")
    return [answer[start : start + _WORD] for start in range(0, len(answer), _WORD)]


def _address(rpc: JsonRpc, answer: bytes) -> Address:
    (word,) = _words(rpc, answer, 1)
    if any(word[:12]) or not any(word):
        raise WrongAnswerError(rpc.name, METHOD, "result", f"no address: 0x{word.hex()}")
    return word[12:]
