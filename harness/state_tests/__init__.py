"""Ethereum's execution-spec state tests (format: state_test of execution-spec-tests), run on our engines.

    fixture      what the archive holds
    rules        the rules of plain Ethereum, made from those of the OP Stack's forks
    exceptions   which of our rules each of the tests' exceptions means
    run          one test, executed and judged
    sweep        choices of tests, all of an archive, in one process or in several
    __main__     the command: python -m harness.state_tests
"""
