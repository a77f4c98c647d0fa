"""`web3_` methods, as op-geth answers them."""

from __future__ import annotations

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import DATA, HASH_RESULT, STRING_RESULT
from trinode.protocol.keccak import keccak256
from trinode.rollup.json_fields import to_hex


class Web3Namespace:
    """`client_version`: name, version and platform in one string."""

    name = "web3"

    def __init__(self, client_version: str) -> None:
        self._client_version = client_version
        self.methods: dict[str, Declared] = {
            "web3_clientVersion": declare(self._get_client_version, "The node's software, its version and platform", result=STRING_RESULT),
            "web3_sha3": declare(self._sha3, "The Keccak-256 hash of data", Param("data", DATA), result=HASH_RESULT),
        }

    def _get_client_version(self) -> str:
        return self._client_version

    async def _sha3(self, data: bytes) -> str:
        return to_hex(keccak256(data))
