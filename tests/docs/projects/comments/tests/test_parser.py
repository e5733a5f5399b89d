from src.parser import parse


def test_a_comment_belongs_to_what_follows():
    (setting,) = parse("# how many\nlimit=3\n")
    assert (setting.name, setting.value, setting.comment) == ("limit", "3", "how many")
