"""After the submission: pay is watched for, results stay pinned, and a restart is reconciled."""
