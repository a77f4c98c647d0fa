"""py-evm's opcode tables, Paris to Prague, with what is wrong in them put right, and Osaka's (EIP-7939).

- CREATE and CREATE2 fail on too much init code before anything else is looked at (EIP-3860); py-evm looks at balance,
  depth and nonce first, and then pushes 0 instead of failing.
- EXTCODECOPY is paid for before the code is read: a witness need not have code that nobody could pay for.
- SELFDESTRUCT is py-evm's, without the Python warning that the opcode is deprecated.
"""

from __future__ import annotations

from typing import TypeAlias

from eth._utils.address import force_bytes_to_address
from eth._utils.numeric import ceil32
from eth.abc import ComputationAPI, OpcodeAPI
from eth.constants import GAS_COPY, GAS_CREATE, GAS_LOW, GAS_NULL
from eth.exceptions import OutOfGas
from eth.vm import mnemonics, opcode_values
from eth.vm.forks.berlin.constants import COLD_ACCOUNT_ACCESS_COST, WARM_STORAGE_READ_COST
from eth.vm.forks.byzantium.opcodes import ensure_no_static
from eth.vm.forks.cancun.logic import selfdestruct_eip6780
from eth.vm.forks.cancun.opcodes import CANCUN_OPCODES
from eth.vm.forks.paris.opcodes import PARIS_OPCODES
from eth.vm.forks.prague.opcodes import PRAGUE_OPCODES
from eth.vm.forks.shanghai.constants import MAX_INITCODE_SIZE
from eth.vm.forks.shanghai.logic import Create2EIP3860, CreateEIP3860
from eth.vm.forks.shanghai.opcodes import SHANGHAI_OPCODES
from eth.vm.forks.tangerine_whistle.constants import GAS_SELFDESTRUCT_EIP150
from eth.vm.logic.system import CreateOpcodeStackData
from eth.vm.opcode import as_opcode

Opcodes: TypeAlias = dict[int, OpcodeAPI]

CLZ = 0x1E


def _check_init_code_size(data: CreateOpcodeStackData) -> None:
    if data.memory_length > MAX_INITCODE_SIZE:
        raise OutOfGas(f"{data.memory_length} bytes of init code, of {MAX_INITCODE_SIZE}")


class _Create(CreateEIP3860):
    def get_gas_cost(self, data: CreateOpcodeStackData) -> int:
        _check_init_code_size(data)
        return super().get_gas_cost(data)


class _Create2(Create2EIP3860):
    def get_gas_cost(self, data: CreateOpcodeStackData) -> int:
        _check_init_code_size(data)
        return super().get_gas_cost(data)


def _extcodecopy(computation: ComputationAPI) -> None:
    address = force_bytes_to_address(computation.stack_pop1_bytes())
    memory_start, code_start, size = computation.stack_pop_ints(3)
    computation.extend_memory(memory_start, size)
    warm = computation.state.is_address_warm(address)
    access = WARM_STORAGE_READ_COST if warm else COLD_ACCOUNT_ACCESS_COST
    computation.consume_gas(access + GAS_COPY * (ceil32(size) // 32), reason=mnemonics.EXTCODECOPY)
    computation.state.mark_address_warm(address)
    code = computation.state.get_code(address)[code_start : code_start + size]
    computation.memory_write(memory_start, size, code.ljust(size, b"\x00"))


def _count_leading_zeros(computation: ComputationAPI) -> None:
    computation.stack_push_int(256 - computation.stack_pop1_int().bit_length())


_EXTCODECOPY: Opcodes = {opcode_values.EXTCODECOPY: as_opcode(_extcodecopy, mnemonics.EXTCODECOPY, GAS_NULL)}

_CREATE: Opcodes = {
    opcode_values.CREATE: _Create.configure("opcode:CREATE", mnemonic=mnemonics.CREATE, gas_cost=GAS_CREATE)(),
    opcode_values.CREATE2: _Create2.configure("opcode:CREATE2", mnemonic=mnemonics.CREATE2, gas_cost=GAS_CREATE)(),
}

_SELFDESTRUCT: Opcodes = {
    opcode_values.SELFDESTRUCT: as_opcode(
        ensure_no_static(selfdestruct_eip6780), mnemonics.SELFDESTRUCT, GAS_SELFDESTRUCT_EIP150
    )
}

PARIS: Opcodes = {**PARIS_OPCODES, **_EXTCODECOPY}
SHANGHAI: Opcodes = {
    **SHANGHAI_OPCODES,
    **_EXTCODECOPY,
    **_CREATE,
    opcode_values.SELFDESTRUCT: PARIS_OPCODES[opcode_values.SELFDESTRUCT],
}
CANCUN: Opcodes = {**CANCUN_OPCODES, **_EXTCODECOPY, **_CREATE, **_SELFDESTRUCT}
PRAGUE: Opcodes = {**PRAGUE_OPCODES, **_EXTCODECOPY, **_CREATE, **_SELFDESTRUCT}
OSAKA: Opcodes = {**PRAGUE, CLZ: as_opcode(_count_leading_zeros, "CLZ", GAS_LOW)}
