"""The parts of the cache of decoded tiles: slabs, who uses them, and the room that they may take."""
