"""Fitting the learnable parts, the authors' checkpoints, and models ready for a chapter."""
