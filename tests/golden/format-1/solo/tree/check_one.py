import sys

import one

sys.exit(one.DOUBLE != 2)
