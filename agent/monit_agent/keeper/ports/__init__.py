"""Listening sockets that workers share, and draining them."""
