"""Messages that are no transactions of a block: eth_call, eth_estimateGas, eth_createAccessList and their kin.

    context      what a call is executed on: a block and its state, and what is overridden of them
    message      the message, and its execution
    estimate     the gas that a message needs
    access_list  the access list that a message would want
    simulate*    blocks of calls, one on the other: the blocks, the state between them, a call, what it logs
"""
