"""A deployed contract: its views, its calls, and batches of both."""
