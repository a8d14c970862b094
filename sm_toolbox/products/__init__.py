"""What is done with products before they become predictors: masks by quality, arithmetic."""
