"""The frames of a job: kept and validated as they come, and gathered into its result."""
