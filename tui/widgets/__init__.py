"""What screens are made of, one widget a file, its style sheet beside it."""
