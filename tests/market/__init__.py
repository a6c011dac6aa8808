"""A market in one process: real workers and the real embedded parts, with time that runs fast."""
