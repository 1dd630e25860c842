"""Detection: from a backbone and radiographs with boxes to a detector's boxes."""
