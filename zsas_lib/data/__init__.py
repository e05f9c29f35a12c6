"""Data sets in their official layouts, groups of categories, checks; `embedded` makes the embedded ones."""
