"""Diffusion over plans."""
