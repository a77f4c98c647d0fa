"""The public test cases of ethereum/execution-apis, asked of our methods over the chain that they were recorded on."""
