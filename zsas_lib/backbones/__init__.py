"""Frozen CLIP towers: their registry, weights, text tower and image tower."""
