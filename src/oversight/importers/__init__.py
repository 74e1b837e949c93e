"""Importing what others published: their transcripts become a run like any other."""

from oversight.importers.importer import Imported, Importer, Reading, Source

__all__ = ["Imported", "Importer", "Reading", "Source"]
