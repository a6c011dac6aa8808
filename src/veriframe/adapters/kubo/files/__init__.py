"""Files and folders while they are being fetched to the disk."""
