"""The only room that imports Ray: data, training, engines, and the driver that runs a plan."""
