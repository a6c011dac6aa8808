"""The levels of the sandbox: bubblewrap with namespaces, or Landlock, limits or nothing without them."""
