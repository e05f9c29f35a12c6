"""The worst (or best) perturbation of each picture: what is optimised, how it is searched for, the cost (S 2.2)."""
