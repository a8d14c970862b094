"""Pages about trainings, selections and models."""
