"""Whose the machine is right now: the operator's hours and other programs come before the work."""
