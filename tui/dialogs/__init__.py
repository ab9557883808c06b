"""Screens that ask for something and give an answer, one a file, its style sheet beside it."""
