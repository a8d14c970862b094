"""Where a model applies: how far cells lie from its training."""
