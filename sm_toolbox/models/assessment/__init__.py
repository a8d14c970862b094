"""How good a model is: folds, calibration, importance, tuning and selection."""
