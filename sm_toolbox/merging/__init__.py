"""Triple collocation of products of unknown truth, and their merging."""
