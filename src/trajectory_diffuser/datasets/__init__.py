"""Prepared data as training reads it."""
