"""The kinds of models: each fits, predicts, and is kept as plain arrays."""
