"""One module per layout that data sets have on disk."""
