"""What a worker delivered: fetched piece by piece, and compared with what commits to it."""
