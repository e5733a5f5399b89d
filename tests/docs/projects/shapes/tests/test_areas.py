import unittest

from shapes.areas import rectangle, triangle


class Areas(unittest.TestCase):
    def test_rectangle(self):
        assert rectangle(2, 3) == 6

    def test_triangle(self):
        assert triangle(2, 3) == 3
