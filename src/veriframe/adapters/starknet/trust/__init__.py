"""Checks on StarkNet nodes: the chain's id, its time, and the orders that they showed."""
