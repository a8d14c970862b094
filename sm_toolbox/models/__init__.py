"""Models: splits, training, importance, the model file and prediction."""
