"""The levels of the sandbox: bubblewrap with namespaces, and the levels without namespaces."""
