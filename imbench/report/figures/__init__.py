"""Figures: each a function from plain values to a `FigureSpec`, drawn the same on the page and on paper."""
