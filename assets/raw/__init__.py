"""Rows as they came: which file is which dataset, what a good row is, and how a file is loaded."""
