"""After the submission: results stay pinned until the job is over, and pay is noted."""
