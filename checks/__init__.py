"""What must hold: asset checks that count again what was published and trust nobody's word.

A check looks at a range of partitions at once, and is recorded for each of them.
"""
