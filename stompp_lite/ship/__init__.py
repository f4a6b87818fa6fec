"""Finished binary networks as bits: packed, stored, run by XNOR and popcount, exported."""
