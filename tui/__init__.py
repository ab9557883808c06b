"""The terminal app and its commands; they use the engine's public names and nothing else."""
