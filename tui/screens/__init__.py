"""The screens of the app, one a file, its style sheet beside it."""
