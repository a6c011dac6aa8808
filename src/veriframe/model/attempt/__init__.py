"""The worker's side of a job: attempts and stages, the claim policy, and what may be lost."""
