"""Records of confirmed orders."""
