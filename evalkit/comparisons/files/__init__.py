"""Files of any origin, joined by id and never by position: one module for each kind of prediction."""
