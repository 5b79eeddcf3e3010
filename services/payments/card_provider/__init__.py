"""A simulated card provider: an external system, reached over HTTP only, slow and faulty on request."""
