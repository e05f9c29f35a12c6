"""What the files are called that a page publishes beside its notebook."""

REPLICATES = ".replicates.parquet"
"""How a file of replicates ends, behind the name of their table."""
