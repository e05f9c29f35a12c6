"""The worst (or best) perturbation of each picture: what is optimised, how it is searched for, and what it costs (S sec. 2.2)."""
