"""Header fields that follow from the parent and the payload attributes alone: base fee, extraData, and which fields a fork
has (specification: exec-engine, "1559 Parameters"; holocene and jovian, exec-engine).
"""

from __future__ import annotations

from trinode.execution.errors import InvalidAttributes
from trinode.execution.forks import execution_rules_of
from trinode.execution.rules import ExecutionRules
from trinode.protocol.eip1559 import (
    ExtraDataDecodingError,
    decode_eip1559_params,
    decode_extra_data,
    encode_eip1559_params,
    encode_holocene_extra_data,
    encode_jovian_extra_data,
    next_base_fee,
)
from trinode.protocol.header import Header
from trinode.protocol.payload import MAX_EXTRA_DATA_SIZE, PayloadAttributes
from trinode.protocol.types import UINT64
from trinode.rollup.config import ChainOpConfig, RollupConfig

MAX_GAS_LIMIT = 2**63 - 1
_DEFAULT_PARAMETERS = ChainOpConfig()


def _parameters(config: RollupConfig, rules: ExecutionRules) -> tuple[int, int]:
    """The chain's own denominator and elasticity."""
    chain = config.chain_op_config or _DEFAULT_PARAMETERS
    canyon = rules.canyon_base_fee_denominator
    denominator = chain.eip1559_denominator_canyon if canyon else chain.eip1559_denominator
    return denominator, chain.eip1559_elasticity


def base_fee_after(config: RollupConfig, parent: Header, timestamp: int) -> int:
    """The base fee (wei) of the block of that time on `parent`. Raises InvalidAttributes if the parent's extraData does not
    carry the parameters that it must.
    """
    parent_rules = execution_rules_of(config.fork_at(l2_timestamp=parent.timestamp))
    denominator, elasticity = _parameters(config, execution_rules_of(config.fork_at(l2_timestamp=timestamp)))
    min_base_fee = None
    if parent_rules.eip1559_params:
        try:
            denominator, elasticity, min_base_fee = decode_extra_data(parent.extra_data)
        except ExtraDataDecodingError as error:
            raise InvalidAttributes(f"the parent's extraData: {error}") from error
        if not denominator or not elasticity:
            raise InvalidAttributes("the parent's extraData has a zero denominator or elasticity")
    return next_base_fee(
        parent_base_fee=parent.base_fee_per_gas or 0,
        parent_gas_used=parent.gas_used,
        parent_gas_limit=parent.gas_limit,
        denominator=denominator,
        elasticity=elasticity,
        parent_da_footprint=(parent.blob_gas_used or 0) if parent_rules.da_footprint else 0,
        min_base_fee=min_base_fee or 0,
    )


def extra_data_of(config: RollupConfig, rules: ExecutionRules, attributes: PayloadAttributes) -> bytes:
    """The extraData of a block that is made from `attributes`, which have been checked."""
    if attributes.eip1559_params is None:
        return b""
    denominator, elasticity = decode_eip1559_params(attributes.eip1559_params)
    if not denominator:
        denominator, elasticity = _parameters(config, rules)
    if attributes.min_base_fee is not None:
        return encode_jovian_extra_data(denominator, elasticity, attributes.min_base_fee)
    return encode_holocene_extra_data(denominator, elasticity)


def check_attributes(rules: ExecutionRules, attributes: PayloadAttributes, parent: Header) -> None:
    """Whether `attributes` have the fields of their fork, within their ranges. Raises InvalidAttributes."""
    if attributes.timestamp <= parent.timestamp:
        raise InvalidAttributes(f"timestamp {attributes.timestamp} is not after the parent's {parent.timestamp}")
    if attributes.timestamp > UINT64:
        raise InvalidAttributes(f"timestamp {attributes.timestamp} is no uint64")
    if not 0 <= attributes.gas_limit <= MAX_GAS_LIMIT:
        raise InvalidAttributes(f"gas limit {attributes.gas_limit} is above {MAX_GAS_LIMIT}")
    _check_presence(rules, attributes)
    if attributes.withdrawals:
        raise InvalidAttributes("an L2 block has no withdrawals")
    if attributes.eip1559_params is not None:
        try:
            denominator, elasticity = decode_eip1559_params(attributes.eip1559_params)
        except ExtraDataDecodingError as error:
            raise InvalidAttributes(str(error)) from error
        if (denominator == 0) != (elasticity == 0):
            raise InvalidAttributes(f"EIP-1559 parameters {denominator} and {elasticity}: one of them is zero")
    if attributes.min_base_fee is not None and not 0 <= attributes.min_base_fee <= UINT64:
        raise InvalidAttributes(f"minimum base fee {attributes.min_base_fee} is no uint64")


def _check_presence(rules: ExecutionRules, attributes: PayloadAttributes) -> None:
    for name, value, expected in (
        ("withdrawals", attributes.withdrawals, rules.withdrawals),
        ("parentBeaconBlockRoot", attributes.parent_beacon_block_root, rules.parent_beacon_block_root),
        ("eip1559Params", attributes.eip1559_params, rules.eip1559_params),
        ("minBaseFee", attributes.min_base_fee, rules.min_base_fee),
    ):
        if (value is not None) != expected:
            problem = "is missing" if expected else "is not known"
            raise InvalidAttributes(f"{name} {problem} in attributes of {rules.fork.label}")


def attributes_of(rules: ExecutionRules, header: Header, transactions: tuple[bytes, ...]) -> PayloadAttributes:
    """The attributes that make a block like `header`. Raises InvalidAttributes if its extraData is not of its fork."""
    params = min_base_fee = None
    if rules.eip1559_params:
        try:
            denominator, elasticity, min_base_fee = decode_extra_data(header.extra_data)
        except ExtraDataDecodingError as error:
            raise InvalidAttributes(f"extraData: {error}") from error
        if not denominator or not elasticity:
            raise InvalidAttributes(f"extraData: denominator {denominator}, elasticity {elasticity}")
        params = encode_eip1559_params(denominator, elasticity)
    elif len(header.extra_data) > MAX_EXTRA_DATA_SIZE:
        raise InvalidAttributes(f"{len(header.extra_data)} bytes of extraData")
    return PayloadAttributes(
        timestamp=header.timestamp,
        prev_randao=header.prev_randao,
        suggested_fee_recipient=header.beneficiary,
        withdrawals=() if rules.withdrawals else None,
        parent_beacon_block_root=header.parent_beacon_block_root,
        transactions=transactions,
        no_tx_pool=True,
        gas_limit=header.gas_limit,
        eip1559_params=params,
        min_base_fee=min_base_fee,
    )
