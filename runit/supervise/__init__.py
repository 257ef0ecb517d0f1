"""Those who hold the tree: runsvdir, runsv, and the warm start between them."""
