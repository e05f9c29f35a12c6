"""A model over a data set: tables of metrics, speed and complexity."""
