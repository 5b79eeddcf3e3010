"""What the browser gets for each kind of panel: JSON with numbers, names, links and how to show them."""
