"""Integers, floats, or objects, by the first argument."""
import sys


def work_int():
    a, total = 1, 0
    for i in range(300000):
        a = (a * 1103515245 + 12345) & 0x7FFFFFFF
        total += a >> 16 & i
    return total


def work_float():
    x, y, total = 0.1, 0.2, 0.0
    for i in range(250000):
        x, y = x * 0.99 + y * 0.01, y * 0.99 - x * 0.01 + 0.001
        total += x * y
    return repr(total)


class Node:
    def __init__(self, key, left, right):
        self.key, self.left, self.right = key, left, right

    def total(self):
        left = self.left.total() if self.left else 0
        return left + self.key + (self.right.total() if self.right else 0)


def tree(depth, key):
    return Node(key, tree(depth - 1, key * 2), tree(depth - 1, key * 2 + 1)) if depth else None


def work_object():
    words = {}
    for i in range(60000):
        words.setdefault("k%d" % (i % 5000), []).append(i)
    return tree(14, 1).total(), len(words), sum(len(v) for v in words.values())


print({"int": work_int, "float": work_float, "object": work_object}[sys.argv[1]]())
