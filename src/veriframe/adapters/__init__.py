"""One outside thing each. Adapters never import one another."""
