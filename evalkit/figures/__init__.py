"""What a figure shows, as tidy rows (csv) with the facts beside them (json); `reports.figures` draws it from these."""
