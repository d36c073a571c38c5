"""Memory: files in it, what is kept spare for a shortage, and who dies first."""
