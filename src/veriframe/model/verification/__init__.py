"""What is checked of a result, and what a comparison means: draws, tiles, the rule and its conclusions."""
