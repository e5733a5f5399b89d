import unittest

from shapes.prices import price


class Prices(unittest.TestCase):
    def test_price(self):
        assert price(2, 3, 10) == 60
