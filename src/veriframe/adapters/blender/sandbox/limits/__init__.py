"""Limits of one run: control groups, resource usage seen from outside, and limits set before it starts."""
