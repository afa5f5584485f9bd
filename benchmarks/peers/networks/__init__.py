"""Public networks from their published hyper-parameters, with random weights: for their speed only."""
