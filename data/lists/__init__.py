"""Lists of tiles: names, splits, which are labelled, scored or chosen from; scene labels."""
