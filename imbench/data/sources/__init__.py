"""Sources of datasets, with one module for each group of similar kinds."""
