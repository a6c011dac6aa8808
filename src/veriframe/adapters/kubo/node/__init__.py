"""A Kubo node: its HTTP API, its pins, its disk and its peers."""
