"""Figures: each is a function from plain values to a `FigureSpec`, drawn identically for the page and for papers."""
