"""The creator's side of a job: post a scene, follow it, fetch the picture; accept, cancel or dispute."""
