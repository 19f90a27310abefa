"""What the service is compared with, in the same run and under the same load."""
