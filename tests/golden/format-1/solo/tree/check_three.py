import sys

import three

sys.exit(three.DOUBLE != 6)
