"""Claims: their lease, those that are being made, and jobs that are lost meanwhile."""
