"""Which job is begun next: discovery, candidates, backoff, failures, stakes and store room."""
