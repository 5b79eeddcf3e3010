"""Tests of the incidents app."""
