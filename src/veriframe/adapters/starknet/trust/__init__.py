"""How far StarkNet nodes are trusted: the chain's id, its time, and the orders that they showed."""
