"""Weights made by the workflow itself, one module for each method."""
