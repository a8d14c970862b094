"""Experiments: how good models are with few data, as the ways of testing them tell."""
