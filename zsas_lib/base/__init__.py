"""What every room stands on: errors, whole files, digests, and the ledger of what a run read."""
