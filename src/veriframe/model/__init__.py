"""Values and rules, without I/O, async code or a clock: time is an argument."""
