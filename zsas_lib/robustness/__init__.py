"""One axis of robustness a file: sweeps, the search for the worst case, and what a picture allows."""
