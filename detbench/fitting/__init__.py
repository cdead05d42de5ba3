"""Does a training fit? What it needs, predicted from footprints measured on a CPU."""
