"""Inversion: from a generator and a backbone to reconstructions of radiographs, and how near they are."""
