"""Draw maps of the demo beside the simulated truth, on the driest and the wettest date. usage: demo_map.py map truth
picture
"""

import sys
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.backends.backend_agg import FigureCanvasAgg

sys.path.insert(0, str(Path(__file__).parent.parent))
from sm_toolbox.report.figures import UNIT, maps


def read(path):
    """Return the bands by their descriptions."""
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read(masked=True).filled(np.nan)))


predicted, truth = read(sys.argv[1]), read(sys.argv[2])
shared = [name for name in predicted if name in truth]
mean = [np.nanmean(truth[name]) for name in shared]
images = []
for what, name in (("dry", shared[int(np.argmin(mean))]), ("wet", shared[int(np.argmax(mean))])):
    date = name.partition("@")[2]
    images += [(f"predicted, {date} ({what})", predicted[name]), (f"simulated truth, {date}", truth[name])]
difference = np.concatenate([(predicted[name] - truth[name]).ravel() for name in shared])
print(
    f"\nMap minus simulated truth over {len(shared)} dates: RMSE {np.sqrt(np.nanmean(difference**2)):.4f}, bias "
    f"{np.nanmean(difference):+.4f} {UNIT}"
)
FigureCanvasAgg(maps(images, f"soil moisture ({UNIT})")).print_png(sys.argv[3])
