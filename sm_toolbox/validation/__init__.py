"""Validation: metrics and comparison with stations."""
