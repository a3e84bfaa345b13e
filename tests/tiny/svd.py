MAKERS = {}
SHAPES = {}
