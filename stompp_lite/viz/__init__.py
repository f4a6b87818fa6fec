"""Figures: one visual grammar for the whole course."""
