"""A recording from its creation to its export, and what is made of its streams."""
