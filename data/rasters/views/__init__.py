"""A scene seen otherwise: at another scale, turned, or as a run's networks see it."""
