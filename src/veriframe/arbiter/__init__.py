"""The arbiter: decides the disputes that name its account, by a judge that is passed in."""
