"""The metrics of the charts: their values in steps of time, axes and marks. Pure."""
