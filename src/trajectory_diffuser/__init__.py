"""Trajectory Diffuser: draft a plan with a causal transformer, refine it with the end of a diffusion chain, act."""
