import one

assert one.DOUBLE == 2
