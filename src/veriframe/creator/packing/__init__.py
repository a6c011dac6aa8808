"""From a scene with files everywhere to a bundle that renders on any machine, and what it will take."""
