"""A service supervision suite in Python, interchangeable with runit's."""

__version__ = "0.1.0"
