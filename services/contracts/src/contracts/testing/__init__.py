"""What every service's tests need: a run's own database and broker vhost, tokens, and the table of bad bodies."""
