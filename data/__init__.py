"""From files to batches: descriptions of data sets, one reader, transforms, orders and splits."""
