"""Rivals from the library d3rlpy, trained outside the graph in an environment of their own (`make rivals`)."""
