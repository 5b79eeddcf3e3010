"""The JSON for each kind of panel: numbers, names, links and display configuration."""
