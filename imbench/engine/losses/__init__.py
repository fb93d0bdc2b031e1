"""A loss in plain torch, traced once and compiled with its gradient."""
