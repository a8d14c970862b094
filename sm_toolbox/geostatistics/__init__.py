"""Likeness over distance: variograms and kriging."""
