"""Why a node does not start."""


class StartError(Exception):
    """The node cannot start as it is configured; one line that says what is wrong and what to do."""
