from src.formatter import write
from src.parser import parse


def test_comments_are_written_back():
    assert write(parse("# how many\nlimit = 3\n")) == "# how many\nlimit = 3\n"
