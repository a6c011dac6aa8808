"""The creator's side: post a scene, follow its job, fetch the picture; accept, cancel or dispute."""
