"""Foreign job registries, used through the functions in their ABI."""
