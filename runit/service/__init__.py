"""The contract that those who hold the tree and those who command it share."""
