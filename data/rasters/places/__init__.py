"""Where pixels lie: places on the earth, coordinate reference systems, grids."""
