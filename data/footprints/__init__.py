"""Where tiles lie: their records, blocks that stay together, distances between lists, pixels that count once."""
