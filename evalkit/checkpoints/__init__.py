"""Pretrained weights of any format of this field, read into canonical weights with a load report.

`reading` opens a file without executing anything in it, `formats` knows the key layouts, `matching` compares a file
with an architecture, `canonical` accepts it whole or refuses it, `writing` stores what was accepted.
"""
