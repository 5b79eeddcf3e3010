"""What each rule is tested with: series in, and when it fires."""
