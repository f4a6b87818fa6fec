"""Networks: rules, binary layers, conversion of torch models, the course's own models."""
