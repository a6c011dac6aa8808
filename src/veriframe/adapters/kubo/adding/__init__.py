"""Adding files and folders to a Kubo node."""
