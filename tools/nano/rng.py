"""Chance that is the same on every machine.

Only random.Random(int).random() is used: its sequence is the one part of Python's random module that is promised never
to change between versions.
"""
import random


class Rng:
    def __init__(self, seed):
        self.unit = random.Random(seed).random

    def below(self, n):
        return int(self.unit() * n)

    def between(self, low, high):
        """A whole number from low to high, both possible."""
        return low + int(self.unit() * (high - low + 1))

    def chance(self, p):
        return self.unit() < p

    def pick(self, items):
        return items[int(self.unit() * len(items))]

    def weighted(self, rows):
        """The value of one of rows (weight, value), by weight."""
        at = self.unit() * sum(row[0] for row in rows)
        for weight, value in rows:
            at -= weight
            if at < 0:
                return value
        return rows[-1][1]

    def some(self, items, n):
        """n different items in random order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(min(n, len(left)))]
