"""Quality of what networks make of degraded photographs."""
