"""The devnet's own contracts on L2: the proxy of every predeploy, and what answers behind it until the forks' upgrade deposits bring
the protocol's contracts (EIP-1967; specification: predeploys, preinstalls).
"""

from __future__ import annotations

from trinode.devnet.assembly import assemble
from trinode.protocol.keccak import keccak256


def selector(signature: str) -> int:
    """The first four bytes of calldata for a function such as `admin()`."""
    return int.from_bytes(keccak256(signature.encode())[:4], "big")


def push_selector(signature: str) -> str:
    """`selector` as a word of assembly."""
    return f"0x{selector(signature):08x}"


def eip1967_slot(name: str) -> int:
    """The slot that EIP-1967 gives a proxy's `implementation` or `admin`."""
    return int.from_bytes(keccak256(f"eip1967.proxy.{name}".encode()), "big") - 1


IMPLEMENTATION_SLOT = eip1967_slot("implementation")
ADMIN_SLOT = eip1967_slot("admin")

_UPGRADED = "0x" + keccak256(b"Upgraded(address)").hex()
_ADMIN_CHANGED = "0x" + keccak256(b"AdminChanged(address,address)").hex()

PROXY_CODE = assemble(f"""
    PUSH0 CALLDATALOAD 224 SHR                                       ; selector
    CALLER ISZERO 0x{ADMIN_SLOT:064x} SLOAD CALLER EQ OR @admin JUMPI
forward:
    CALLDATASIZE PUSH0 PUSH0 CALLDATACOPY
    PUSH0 PUSH0 CALLDATASIZE PUSH0
    0x{IMPLEMENTATION_SLOT:064x} SLOAD DUP1 ISZERO @refuse JUMPI
    GAS DELEGATECALL
    RETURNDATASIZE PUSH0 PUSH0 RETURNDATACOPY
    @succeeded JUMPI
    RETURNDATASIZE PUSH0 REVERT
succeeded:
    RETURNDATASIZE PUSH0 RETURN
refuse:
    PUSH0 PUSH0 REVERT
admin:                                                               ; the admin's calls, and those of address zero: upgrade deposits
    DUP1 {push_selector("upgradeTo(address)")} EQ @upgrade JUMPI
    DUP1 {push_selector("upgradeToAndCall(address,bytes)")} EQ @upgrade_and_call JUMPI
    DUP1 {push_selector("changeAdmin(address)")} EQ @change_admin JUMPI
    DUP1 {push_selector("admin()")} EQ @tell_admin JUMPI
    DUP1 {push_selector("implementation()")} EQ @tell_implementation JUMPI
    @forward JUMP
upgrade:
    CALLVALUE @refuse JUMPI
    4 CALLDATALOAD DUP1 0x{IMPLEMENTATION_SLOT:064x} SSTORE
    {_UPGRADED} PUSH0 PUSH0 LOG2 STOP
upgrade_and_call:
    4 CALLDATALOAD DUP1 0x{IMPLEMENTATION_SLOT:064x} SSTORE
    DUP1 {_UPGRADED} PUSH0 PUSH0 LOG2                                ; implementation
    36 CALLDATALOAD 4 ADD DUP1 CALLDATALOAD SWAP1 32 ADD             ; offset, length
    DUP2 SWAP1 PUSH0 CALLDATACOPY                                    ; length, implementation
    PUSH0 SWAP1 PUSH0 SWAP1 PUSH0                                    ; 0, length, 0, 0, implementation
    DUP5 GAS DELEGATECALL
    @called JUMPI
    RETURNDATASIZE PUSH0 PUSH0 RETURNDATACOPY RETURNDATASIZE PUSH0 REVERT
called:                                                              ; returns `bytes`
    32 PUSH0 MSTORE RETURNDATASIZE 32 MSTORE
    RETURNDATASIZE PUSH0 64 RETURNDATACOPY
    PUSH0 RETURNDATASIZE 64 ADD MSTORE                               ; zeros behind the last word
    0x60 RETURNDATASIZE ADD PUSH0 RETURN
change_admin:
    0x{ADMIN_SLOT:064x} SLOAD PUSH0 MSTORE 4 CALLDATALOAD DUP1 32 MSTORE
    0x{ADMIN_SLOT:064x} SSTORE {_ADMIN_CHANGED} 64 PUSH0 LOG1 STOP
tell_admin:
    0x{ADMIN_SLOT:064x} SLOAD PUSH0 MSTORE 32 PUSH0 RETURN
tell_implementation:
    0x{IMPLEMENTATION_SLOT:064x} SLOAD PUSH0 MSTORE 32 PUSH0 RETURN
""")
"""What stands at a predeploy: upgrades by its admin or by address zero (which is who upgrade deposits come from), all else to the
implementation.
"""

BEFORE_UPGRADES_CODE = assemble(f"""
    PUSH0 CALLDATALOAD 224 SHR
    DUP1 {push_selector("version()")} EQ @version JUMPI
    SLOAD PUSH0 MSTORE 32 PUSH0 RETURN
version:
    32 PUSH0 MSTORE 5 32 MSTORE 0x{b"0.0.0".hex()} 216 SHL 64 MSTORE 96 PUSH0 RETURN
""")
"""What a predeploy is before its upgrade: it answers `version()` with "0.0.0", and every other function with the slot that its selector
names. Karst's upgrade asks the old contracts for the chain's settings, and hands them to the new ones.
"""

DETERMINISTIC_DEPLOYER_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
"""The preinstall at 0x4e59…956c, through which Karst's upgrade puts its contracts in place: salt and creation code in, address out."""
