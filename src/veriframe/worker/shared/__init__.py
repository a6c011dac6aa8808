"""What all jobs of a worker share: attempts, places, scenes, disk, and room in the store."""
