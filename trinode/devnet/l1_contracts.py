"""OptimismPortal and SystemConfig of the devnet's L1: native, with the functions and events that a rollup lives on (specification:
deposits, "Deposit Contract"; system-config, "Events"). Withdrawals are neither proven nor finalized here.

    OptimismPortal  depositTransaction, ether sent to it; minimumGasLimit, systemConfig, version
    SystemConfig    the owner's setters; a getter for each value

The portal has no resource metering. Only accounts without code can send here, so that no sender is aliased.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trinode.devnet.accounts import BATCH_INBOX, L2_CHAIN_ID, OPTIMISM_PORTAL, SEQUENCER, SYSTEM_CONFIG
from trinode.devnet.contracts import selector
from trinode.protocol.deposit import TRANSACTION_DEPOSITED_TOPIC
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Log
from trinode.protocol.types import Address, Hash32
from trinode.rollup.system_config import CONFIG_UPDATE_TOPIC, SystemConfig, decode_fee_scalar, encode_fee_scalar

RECEIVE_GAS_LIMIT = 100_000
"""L2 gas of a deposit that is made by sending ether."""
MAX_DEPOSIT_DATA = 120_000
MIN_L2_GAS_LIMIT, MAX_L2_GAS_LIMIT = 21_000_000, 500_000_000
_OWNERSHIP_TRANSFERRED = "OwnershipTransferred(address,address)"


class Reverted(Exception):
    """The call fails; why, in one line."""


@dataclass(frozen=True, slots=True)
class NativeCall:
    """A call of a native contract. `value` in wei."""

    sender: Address
    value: int
    data: bytes
    is_static: bool = False


@dataclass(frozen=True, slots=True)
class NativeResult:
    """What a call returned, logged, and wrote to the contract's storage."""

    output: bytes = b""
    logs: tuple[Log, ...] = ()
    writes: Mapping[int, int] | None = None


Load = Callable[[int], int]
"""A slot of the called contract's storage."""


def call_native(address: Address, call: NativeCall, load: Load) -> NativeResult | None:
    """What the contract at `address` does; None if there is none. Raises Reverted."""
    if address == OPTIMISM_PORTAL:
        return _portal(call)
    return _system_config(call, load) if address == SYSTEM_CONFIG else None


# ---- ABI ----


class _Arguments:
    """A function's arguments: words, and `bytes` behind them. Methods raise Reverted."""

    def __init__(self, data: bytes) -> None:
        self._data = data[4:]

    def word(self, index: int, bits: int) -> int:
        """The unsigned number of so many bits at `index`."""
        word = self._data[32 * index : 32 * index + 32]
        if len(word) < 32 or int.from_bytes(word, "big") >> bits:
            raise Reverted(f"argument {index} is no uint{bits}")
        return int.from_bytes(word, "big")

    def address(self, index: int) -> Address:
        return self.word(index, 160).to_bytes(20, "big")

    def bytes(self, index: int) -> bytes:
        offset = self.word(index, 32)
        size = int.from_bytes(self._data[offset : offset + 32], "big")
        content = self._data[offset + 32 : offset + 32 + size]
        if len(self._data) < offset + 32 or len(content) < size:
            raise Reverted(f"argument {index} is no bytes")
        return content


def _word(value: int | bytes) -> bytes:
    return value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32, "big")


def _encoded_bytes(content: bytes) -> bytes:
    """One argument of type `bytes`."""
    return _word(32) + _word(len(content)) + content + bytes(-len(content) % 32)


# ---- OptimismPortal ----


def _portal(call: NativeCall) -> NativeResult:
    if not call.data:
        return _deposit(call, call.sender, call.value, RECEIVE_GAS_LIMIT, is_creation=False, data=b"")
    function, arguments = int.from_bytes(call.data[:4], "big"), _Arguments(call.data)
    if function == selector("depositTransaction(address,uint256,uint64,bool,bytes)"):
        to, value, gas_limit = arguments.address(0), arguments.word(1, 256), arguments.word(2, 64)
        return _deposit(call, to, value, gas_limit, is_creation=bool(arguments.word(3, 1)), data=arguments.bytes(4))
    if call.value:
        raise Reverted("the function is not payable")
    if function == selector("minimumGasLimit(uint64)"):
        return NativeResult(_word(_minimum_gas_limit(arguments.word(0, 64))))
    if function == selector("systemConfig()"):
        return NativeResult(_word(SYSTEM_CONFIG))
    if function == selector("version()"):
        return NativeResult(_encoded_bytes(b"trinode-devnet"))
    raise Reverted("OptimismPortal of the devnet has no such function")


def _minimum_gas_limit(data_size: int) -> int:
    return data_size * 40 + 21_000


def _deposit(call: NativeCall, to: Address, value: int, gas_limit: int, *, is_creation: bool, data: bytes) -> NativeResult:
    if is_creation and any(to):
        raise Reverted("OptimismPortal_BadTarget: a creation with an address")
    if gas_limit < _minimum_gas_limit(len(data)):
        raise Reverted("OptimismPortal_GasLimitTooLow")
    if len(data) > MAX_DEPOSIT_DATA:
        raise Reverted("OptimismPortal_CalldataTooLarge")
    if call.is_static:
        raise Reverted("a deposit in a static call")
    opaque = _word(call.value) + _word(value) + gas_limit.to_bytes(8, "big") + bytes([is_creation]) + data
    topics = (TRANSACTION_DEPOSITED_TOPIC, _word(call.sender), _word(to), bytes(32))
    return NativeResult(logs=(Log(OPTIMISM_PORTAL, topics, _encoded_bytes(opaque)),))


# ---- SystemConfig ----

_OWNER, _BATCHER, _SCALAR, _GAS_LIMIT, _EIP1559, _OPERATOR_FEE, _MIN_BASE_FEE, _DA_SCALAR = range(8)
"""Its slots. EIP-1559 parameters and operator fee are as in their events."""
_SIGNER = int.from_bytes(keccak256(b"systemconfig.unsafeblocksigner"), "big")
"""Where rollup nodes read who signs unsafe blocks (specification: system-config)."""


def system_config_storage(config: SystemConfig, owner: Address) -> dict[int, int]:
    """Its storage at genesis."""
    values = {
        _OWNER: int.from_bytes(owner, "big"),
        _BATCHER: int.from_bytes(config.batcher_address, "big"),
        _SCALAR: int.from_bytes(config.scalar, "big"),
        _GAS_LIMIT: config.gas_limit,
        _EIP1559: int.from_bytes(config.eip1559_params, "big"),
        _OPERATOR_FEE: int.from_bytes(config.operator_fee_params, "big"),
        _MIN_BASE_FEE: config.min_base_fee,
        _DA_SCALAR: config.da_footprint_gas_scalar,
        _SIGNER: int.from_bytes(SEQUENCER.address, "big"),
    }
    return {slot: value for slot, value in values.items() if value}


def _system_config(call: NativeCall, load: Load) -> NativeResult:
    if call.value:
        raise Reverted("SystemConfig takes no ether")
    function = int.from_bytes(call.data[:4], "big") if len(call.data) >= 4 else None
    if function in _GETTERS:
        return NativeResult(_word(_GETTERS[function](load)))
    if function not in _SETTERS:
        raise Reverted("SystemConfig of the devnet has no such function")
    if call.is_static or int.from_bytes(call.sender, "big") != load(_OWNER):
        raise Reverted("Ownable: caller is not the owner")
    return _SETTERS[function](_Arguments(call.data), load)


def _update(kind: int, slot: int, value: int, data: bytes | None = None) -> NativeResult:
    """A new value, and its event."""
    topics = (CONFIG_UPDATE_TOPIC, bytes(32), _word(kind))
    log = Log(SYSTEM_CONFIG, topics, _encoded_bytes(_word(value) if data is None else data))
    return NativeResult(logs=(log,), writes={slot: value})


def _set_gas_config(arguments: _Arguments, load: Load) -> NativeResult:
    scalar = encode_fee_scalar(arguments.word(0, 32), arguments.word(1, 32))
    return _update(1, _SCALAR, int.from_bytes(scalar, "big"), bytes(32) + scalar)


def _set_gas_limit(arguments: _Arguments, load: Load) -> NativeResult:
    gas_limit = arguments.word(0, 64)
    if not MIN_L2_GAS_LIMIT <= gas_limit <= MAX_L2_GAS_LIMIT:
        raise Reverted(f"SystemConfig: gas limit {gas_limit} is not between {MIN_L2_GAS_LIMIT} and {MAX_L2_GAS_LIMIT}")
    return _update(2, _GAS_LIMIT, gas_limit)


def _set_eip1559_params(arguments: _Arguments, load: Load) -> NativeResult:
    denominator, elasticity = arguments.word(0, 32), arguments.word(1, 32)
    if not denominator or not elasticity:
        raise Reverted("SystemConfig: denominator and elasticity must be >= 1")
    return _update(4, _EIP1559, denominator << 32 | elasticity)


def _set_operator_fee(arguments: _Arguments, load: Load) -> NativeResult:
    return _update(5, _OPERATOR_FEE, arguments.word(0, 32) << 64 | arguments.word(1, 64))


def _transfer_ownership(arguments: _Arguments, load: Load) -> NativeResult:
    owner = arguments.address(0)
    if not any(owner):
        raise Reverted("Ownable: new owner is the zero address")
    topics = (_event(_OWNERSHIP_TRANSFERRED), _word(load(_OWNER)), _word(owner))
    return NativeResult(logs=(Log(SYSTEM_CONFIG, topics, b""),), writes={_OWNER: int.from_bytes(owner, "big")})


_SETTERS: dict[int, Callable[[_Arguments, Load], NativeResult]] = {
    selector("setBatcherHash(bytes32)"): lambda arguments, load: _update(0, _BATCHER, arguments.word(0, 256)),
    selector("setBatcherHash(address)"): lambda arguments, load: _update(0, _BATCHER, arguments.word(0, 160)),
    selector("setGasConfigEcotone(uint32,uint32)"): _set_gas_config,
    selector("setGasLimit(uint64)"): _set_gas_limit,
    selector("setUnsafeBlockSigner(address)"): lambda arguments, load: _update(3, _SIGNER, arguments.word(0, 160)),
    selector("setEIP1559Params(uint32,uint32)"): _set_eip1559_params,
    selector("setOperatorFeeScalars(uint32,uint64)"): _set_operator_fee,
    selector("setMinBaseFee(uint64)"): lambda arguments, load: _update(6, _MIN_BASE_FEE, arguments.word(0, 64)),
    selector("setDAFootprintGasScalar(uint16)"): lambda arguments, load: _update(7, _DA_SCALAR, arguments.word(0, 16)),
    selector("transferOwnership(address)"): _transfer_ownership,
}


def _fee_scalars(load: Load) -> tuple[int, int]:
    return decode_fee_scalar(_word(load(_SCALAR)))


_GETTERS: dict[int | None, Callable[[Load], int | bytes]] = {
    selector("owner()"): lambda load: load(_OWNER),
    selector("batcherHash()"): lambda load: load(_BATCHER),
    selector("overhead()"): lambda load: 0,
    selector("scalar()"): lambda load: load(_SCALAR),
    selector("basefeeScalar()"): lambda load: _fee_scalars(load)[0],
    selector("blobbasefeeScalar()"): lambda load: _fee_scalars(load)[1],
    selector("gasLimit()"): lambda load: load(_GAS_LIMIT),
    selector("eip1559Denominator()"): lambda load: load(_EIP1559) >> 32,
    selector("eip1559Elasticity()"): lambda load: load(_EIP1559) & 0xFFFFFFFF,
    selector("operatorFeeScalar()"): lambda load: load(_OPERATOR_FEE) >> 64,
    selector("operatorFeeConstant()"): lambda load: load(_OPERATOR_FEE) & 0xFFFFFFFFFFFFFFFF,
    selector("minBaseFee()"): lambda load: load(_MIN_BASE_FEE),
    selector("daFootprintGasScalar()"): lambda load: load(_DA_SCALAR),
    selector("unsafeBlockSigner()"): lambda load: load(_SIGNER),
    selector("batchInbox()"): lambda load: BATCH_INBOX,
    selector("optimismPortal()"): lambda load: OPTIMISM_PORTAL,
    selector("l2ChainId()"): lambda load: L2_CHAIN_ID,
}


def _event(signature: str) -> Hash32:
    return keccak256(signature.encode())
