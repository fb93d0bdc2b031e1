"""Compiled code: row kernels, affine maps, the dense and the convolutional training kernel."""
