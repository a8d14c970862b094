"""The workflows that the provider offers, as data, and what makes graphical models of them."""
