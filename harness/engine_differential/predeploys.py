"""The predeployed contracts of a chain for random blocks, as small as they can be.

L1Block keeps the L1 attributes where the fee formulas read them (specification: predeploys, ecotone, isthmus and jovian l1-attributes);
L2ToL1MessagePasser writes into its storage, whose root Isthmus puts into headers. The system contracts are the real ones.
"""

from __future__ import annotations

from harness.engine_differential.assembler import Assembler, Place
from trinode.protocol.keccak import keccak256
from trinode.protocol.l1_info import L1BlockInfo, L1InfoFormat, encode_l1_info
from trinode.protocol.types import Address
from trinode.rollup.fork import Fork
from trinode.rollup.forks import rules_of
from trinode.rollup.l1_attributes import L1_BLOCK_PREDEPLOY, L1_INFO_DEPOSITOR

SEQUENCER_FEE_VAULT: Address = bytes.fromhex("4200000000000000000000000000000000000011")
MESSAGE_PASSER: Address = bytes.fromhex("4200000000000000000000000000000000000016")
BASE_FEE_VAULT: Address = bytes.fromhex("4200000000000000000000000000000000000019")
L1_FEE_VAULT: Address = bytes.fromhex("420000000000000000000000000000000000001a")
OPERATOR_FEE_VAULT: Address = bytes.fromhex("420000000000000000000000000000000000001b")
BEACON_ROOTS: Address = bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02")
BLOCK_HISTORY: Address = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
CREATE2_DEPLOYER: Address = bytes.fromhex("13b0d85ccb8bf860b6b79af3029fca081ae9bef2")

PREDEPLOYS = (
    L1_BLOCK_PREDEPLOY,
    SEQUENCER_FEE_VAULT,
    MESSAGE_PASSER,
    MESSAGE_PASSER,
    BASE_FEE_VAULT,
    L1_FEE_VAULT,
    OPERATOR_FEE_VAULT,
    BEACON_ROOTS,
    BLOCK_HISTORY,
    CREATE2_DEPLOYER,
)

FACTORY: Address = b"\xfa" * 20
"""Creates with CREATE2 what its calldata says."""
WELL: Address = b"\xdd" * 20
"""Calls itself as deep as its gas and the limit of 1,024 calls allow."""

# Each system contract is deployed by an upgrade deposit of its fork, whose data begins with 9 bytes that copy and return the rest.
_DEPLOYING_PREFIX_SIZE = 9
_SYSTEM_CONTRACTS = {
    Fork.ECOTONE: (BEACON_ROOTS, "Ecotone: beacon block roots contract deployment"),
    Fork.ISTHMUS: (BLOCK_HISTORY, "Isthmus: EIP-2935 Contract Deployment"),
}


def predeployed_code(fork: Fork) -> dict[Address, bytes]:
    """The code of all predeploys of a chain that starts at `fork`."""
    codes = {L1_BLOCK_PREDEPLOY: l1_block_code(), MESSAGE_PASSER: message_passer_code(), FACTORY: factory_code(), WELL: well_code()}
    for since, (address, _) in _SYSTEM_CONTRACTS.items():
        if fork >= since:
            codes[address] = rules_of(since).upgrade_deposits[-1].data[_DEPLOYING_PREFIX_SIZE:]
    return codes


def message_passer_code() -> bytes:
    """Stores the second word of its calldata at the first, and at the hash of both."""
    code = Assembler().push(32).op("CALLDATALOAD").push(0).op("CALLDATALOAD", "SSTORE")
    code.push(64).push(0).push(0).op("CALLDATACOPY").push(1).push(64).push(0).op("KECCAK256", "SSTORE", "STOP")
    return code.assemble()


def factory_code() -> bytes:
    """CREATE2 with its calldata as init code and salt 0; stores what it gave."""
    code = Assembler().op("CALLDATASIZE").push(0).push(0).op("CALLDATACOPY")
    return code.push(0).op("CALLDATASIZE").push(0).push(0).op("CREATE2").push(0).op("SSTORE", "STOP").assemble()


def colliding_address() -> Address:
    """Where the factory puts the contract of empty init code."""
    return keccak256(b"\xff" + FACTORY + bytes(32) + keccak256(b""))[12:]


def well_code() -> bytes:
    """Counts the calls that succeeded in slot 0."""
    code = Assembler()
    for _ in range(5):
        code.push(0)
    return code.op("ADDRESS", "GAS", "CALL").push(0).op("SLOAD", "ADD").push(0).op("SSTORE", "STOP").assemble()


def l1_block_code() -> bytes:
    """Stores the L1 attributes of every format; only the depositor may call it."""
    code, allowed = Assembler(), Place()
    code.push_bytes(L1_INFO_DEPOSITOR).op("CALLER", "EQ").push_place(allowed).op("JUMPI").push(0).push(0).op("REVERT").put(allowed)
    places = {format: Place() for format in L1InfoFormat}
    for format, place in places.items():
        code.push_bytes(_selector(format)).push(0).op("CALLDATALOAD").push(224).op("SHR", "EQ").push_place(place).op("JUMPI")
    code.push(0).push(0).op("REVERT")
    for format, place in places.items():
        code.put(place)
        if format is L1InfoFormat.BEDROCK:
            _store_bedrock(code)
        else:
            _store_packed(code, format)
        code.op("STOP")
    return code.assemble()


def _selector(format: L1InfoFormat) -> bytes:
    return encode_l1_info(L1BlockInfo(format, 0, 0, 0, bytes(32), 0, bytes(20)))[:4]


def _store_bedrock(code: Assembler) -> None:
    """Number and timestamp in slot 0, then base fee, hash, sequence number, batcher, overhead, scalar."""
    code.push(4).op("CALLDATALOAD").push(36).op("CALLDATALOAD").push(64).op("SHL", "OR").push(0).op("SSTORE")
    for slot in range(1, 7):
        code.push(4 + 32 * (slot + 1)).op("CALLDATALOAD").push(slot).op("SSTORE")


def _store_packed(code: Assembler, format: L1InfoFormat) -> None:
    """Scalars and sequence number in slot 3, timestamp and number in 0, base fees in 1 and 7, hash in 2, batcher in 4; operator fee and
    DA footprint scalar in 8."""
    for slot, offset, shift in ((3, 4, 128), (0, 20, 128), (1, 36, 0), (7, 68, 0), (2, 100, 0), (4, 132, 0)):
        code.push(offset).op("CALLDATALOAD").push(shift).op("SHR").push(slot).op("SSTORE")
    if format is L1InfoFormat.ISTHMUS:
        code.push(164).op("CALLDATALOAD").push(160).op("SHR").push(8).op("SSTORE")
    elif format is L1InfoFormat.JOVIAN:
        code.push(164).op("CALLDATALOAD").push(160).op("SHR").push(176).op("CALLDATALOAD").push(240).op("SHR").push(96).op("SHL", "OR")
        code.push(8).op("SSTORE")
