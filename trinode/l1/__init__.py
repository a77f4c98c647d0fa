"""L1 and beacon side of the node: clients and what checks their answers."""
