"""What the service and the workers share; knows neither HTTP handlers, the queue nor settings."""
