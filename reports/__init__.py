"""Tidy rows laid out for readers: tables and figures. Reads files and needs no torch."""
