"""The worker's own side of a job: attempts and their stages, what is taken, and what may be lost."""
