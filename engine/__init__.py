"""Backstay's engine: snapshots, restores and what an owner does with them; no screen."""
