"""Figures drawn from their rows (csv) and facts (json), as `evalkit.figures` writes them: one module for each kind."""
