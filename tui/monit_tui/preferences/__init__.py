"""What users write into files: themes and keys."""
