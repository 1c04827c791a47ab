"""Planners that are handed on: folders that hold all that one takes, and the Hugging Face hub."""
