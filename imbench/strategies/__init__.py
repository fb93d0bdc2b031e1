"""The built-in strategies, registered by the same entry points as those of plugins."""
