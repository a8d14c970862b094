"""Maps of station values, by kriging or inverse distances."""
