"""Importing what others published: their transcripts become a run like any other."""

from oversight.importers.importer import Imported, Importer, ImportInfo, Reading

__all__ = ["ImportInfo", "Imported", "Importer", "Reading"]
