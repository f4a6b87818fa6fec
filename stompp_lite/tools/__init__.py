"""Tools: what a run costs, which models can be converted, what is installed."""
