"""StarkNet: talking to its nodes, and to the job registry on it."""
