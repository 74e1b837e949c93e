"""The parts of the Results page, one module for each thing that is measured."""
