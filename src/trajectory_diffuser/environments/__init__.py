"""Environments as `params.yaml` describes them, and what is known of their mazes."""
