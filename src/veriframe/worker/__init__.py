"""The worker: the path of one job to its pay (`pipeline`), and the loops around it (`service`)."""
