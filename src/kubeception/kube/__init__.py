"""The only place that talks to API servers."""
