"""The self-test: real attacks from inside the sandbox, against decoys outside it."""
