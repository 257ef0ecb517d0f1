"""Put the suite into place and take it away again: `make install`, `make uninstall`.

Works from the checkout and is not part of what it installs.
"""
