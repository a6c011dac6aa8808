"""Films from frames, by FFmpeg's libraries."""
