"""The words that everybody uses: Orlop's kinds as models, and their CRDs."""
