"""From coarse products to fine maps: a model of what fine predictors say, and what the product says beyond it."""
