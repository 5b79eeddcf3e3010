"""Mails about orders: sent once per event, and recorded."""
