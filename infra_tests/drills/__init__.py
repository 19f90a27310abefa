"""The fault drills, one module for each chapter of the troubleshooting guide."""
