"""Values and rules. No I/O, no async, no clock: time is an argument."""
