"""Figures: each a function from plain values to a `Scene`, drawn the same on the page and on paper."""
