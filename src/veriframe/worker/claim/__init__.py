"""Claims: their lease, and jobs that are lost while they are worked on."""
