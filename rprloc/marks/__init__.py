"""A scan's annotation in any form: masks, segmentations, contours, boxes and points."""
