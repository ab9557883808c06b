"""What the app looks like, taken from the demo: ``python -m tests.screenshots``."""
