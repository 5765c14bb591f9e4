"""What images and masks are made of: bands, ranges, pixel formats, colours, class ids."""
