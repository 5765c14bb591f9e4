"""What commands say: what is done, what it cost, what was seen, what to type next."""
