"""What the service and the workers share. It knows neither HTTP handlers nor the queue nor settings."""
