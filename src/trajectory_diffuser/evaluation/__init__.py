"""Closed-loop evaluation and timing."""
