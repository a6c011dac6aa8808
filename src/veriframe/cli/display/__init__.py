"""Output for terminals and scripts: tables, sentences, JSON and progress bars."""
