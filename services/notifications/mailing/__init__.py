"""Mails about orders: sent once for each event, and kept."""
