"""What a study comes to on one HTML page: tables, a chart, pictures, and what may be said."""
