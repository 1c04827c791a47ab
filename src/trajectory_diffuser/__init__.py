"""Trajectory Diffuser: draft a plan with a causal transformer, refine it with a few diffusion steps, act."""
