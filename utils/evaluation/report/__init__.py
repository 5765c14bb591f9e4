"""What an evaluation leaves behind: scores, summary, pictures, TensorBoard and one HTML page that holds all of it."""
