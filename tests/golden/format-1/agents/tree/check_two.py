import two

assert two.DOUBLE == 4
