"""The worst (or best) perturbation of each picture: what is optimised, how it is searched for, the cost (S sec. 2).

The book's page "How to search" explains the objective and the searches, with their formulas.
"""
