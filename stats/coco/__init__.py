"""Average precision of detections in COCO's format, and its bootstrap over images."""
