"""Orders of artists: posted with one upload, followed as a whole, fetched and made into a film."""
