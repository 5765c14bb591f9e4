"""Preparing data folders: downloads, own scenes, and one folder put in place whole."""
