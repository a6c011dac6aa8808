"""JSON-RPC to StarkNet nodes: requests, answers, and endpoints that may fail, lie or lag."""
