"""The built-in strategies; they enter by the same entry points as anyone's."""
