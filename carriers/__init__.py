"""Carriers: foreign words in, our words out; a leaf that knows no other package."""
