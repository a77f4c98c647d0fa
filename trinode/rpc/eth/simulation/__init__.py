"""eth_simulateV1: blocks of calls, one on the other, that are none.

    params         what is asked for
    methods        the method
    transaction    a call as it stands in its block
"""
