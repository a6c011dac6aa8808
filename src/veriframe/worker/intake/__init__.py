"""Choosing the next job: discovery, candidates, backoff, failures, stakes and store room."""
