"""Runs, records and measures experiments. The method itself is one level up."""
