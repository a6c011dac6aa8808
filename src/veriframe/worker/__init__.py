"""The worker: one claimed job is its way to its pay (`pipeline`), and the loops round it (`service`)."""
