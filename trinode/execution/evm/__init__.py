"""The fast engine: an EVM on plain integers and bytes, with code compiled to Python where it is hot.

    journal      state with an undo log
    frame        one call in the making
    table        what each opcode does, by fork; arithmetic, memory, environment, storage and calls hold the functions
    program      code with its jump destinations and its compiled traces
    compiler     traces of hot code as Python functions; trace_writer writes them, expressions are their words
    machine      message calls and creations
    transaction  what a transaction does around its call: validity, fees, refunds; deposit, authorization
    engine       the `Engine`
"""
