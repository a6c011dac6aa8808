"""Limits of one run: control groups, resource usage measured from outside, and limits set at the start."""
