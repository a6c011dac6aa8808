"""The scene of a job: fetched, timed, and checked before any money moves."""
