"""VeriFrame's own job registry contract: reading it, making moves on it, deploying it."""
