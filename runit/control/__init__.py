"""Those who command the tree: sv and runsvchdir."""
