"""Metrics of all apps in the text format of Prometheus and OpenMetrics."""
