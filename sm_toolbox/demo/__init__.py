"""A small scene to try every algorithm on: real terrain, simulated soil moisture whose truth is known."""
