"""The scene of a job: fetched at a minimum rate, and checked before any money moves."""
