"""Devices, seeds and files: what results depend on in every stage."""
