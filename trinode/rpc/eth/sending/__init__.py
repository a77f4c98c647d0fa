"""Transactions that users hand in.

    submit         eth_sendRawTransaction
    send_sync      eth_sendRawTransactionSync
    conditional    eth_sendRawTransactionConditional
"""
