import three

assert three.DOUBLE == 6
