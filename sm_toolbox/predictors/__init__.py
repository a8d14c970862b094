"""Predictors from terrain and satellite layers."""
