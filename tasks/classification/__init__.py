"""Classification: from a backbone and labelled radiographs to predictions."""
